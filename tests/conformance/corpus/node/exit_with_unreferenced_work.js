const { Worker } = require('worker_threads');
const worker = new Worker('setInterval(() => {}, 1000)', { eval: true });
worker.on('exit', () => console.log('never'));
worker.once('online', () => {
  worker.unref();
  setInterval(() => console.log('never'), 1000).unref();
  require('net').createServer().listen(0, '127.0.0.1').unref();
  process.stdout.write(`${'z'.repeat(300000)}\n`, () => console.log('drained'));
});
