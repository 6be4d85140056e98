process.on('beforeExit', () => {
  if (process.exitCode === undefined) process.exitCode = 3;
});
process.on('exit', (code) => {
  console.log('first', code, process.exitCode);
  process.exitCode = 4;
});
process.on('exit', (code) => {
  console.log('second', code, process.exitCode);
  process.exitCode = 5;
});
process.on('exit', () => setTimeout(() => console.log('never'), 0));
