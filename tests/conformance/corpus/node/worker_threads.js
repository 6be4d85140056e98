const { Worker, isMainThread, parentPort, workerData, threadId } = require('worker_threads');

if (isMainThread) {
  const worker = new Worker(__filename, { workerData: { n: 20 }, argv: ['for the worker'] });
  worker.on('message', (message) => {
    console.log('from the worker', message);
    worker.postMessage('fail now');
  });
  worker.on('error', (error) => console.log('worker failed:', error.message));
  worker.on('exit', (code) => console.log('worker exit', code));
} else {
  const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
  parentPort.postMessage([fib(workerData.n), threadId, process.argv.slice(2), process.execArgv]);
  parentPort.once('message', (message) => {
    throw new Error(message);
  });
}
