process.on('exit', (code) => console.log('first', code));
process.on('exit', () => {
  throw new TypeError('thrown at the end');
});
process.on('exit', () => console.log('never'));
console.log('ran');
