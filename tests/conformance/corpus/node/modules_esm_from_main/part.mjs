import { readFileSync } from 'node:fs';
import main from './other.cjs';

export default 'an ES module';
export const meta = [import.meta.url, typeof require, main.value, readFileSync.name];
