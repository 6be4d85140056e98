const { fork } = require('child_process');

if (process.send) {
  process.on('message', (message) => {
    process.send({ doubled: message.n * 2, argv: process.argv.slice(2) });
    process.disconnect();
  });
} else {
  const child = fork(__filename, ['as a child']);
  child.on('message', (message) => console.log(message));
  child.on('exit', (code) => console.log('exit', code));
  child.send({ n: 21 });
}
