process.on('exit', (code) => {
  console.log('exit event', code, process.exitCode);
  process.exitCode = 9;
});
process.exitCode = 3;
console.log('end of the program');
