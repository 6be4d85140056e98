console.log('aborting');
process.kill(process.pid, 'SIGABRT');
setTimeout(() => {}, 5000);
