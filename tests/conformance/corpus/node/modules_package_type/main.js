import { sep } from 'node:path';

console.log(import.meta.url, sep, typeof require, this);
const { default: value } = await import('./value.js');
console.log(value, process.argv.length);
throw new Error('at the top level of an ES module');
