setInterval(() => console.log('tick'), 2);
require('net').createServer().listen(0, '127.0.0.1');
setTimeout(() => {
  console.log('leaving');
  process.exit();
}, 1);
process.exitCode = 9;
process.on('exit', (code) => console.log('exit', code));
