require('fs').writeSync(1, 'last words\n');
process.kill(process.pid, 'SIGKILL');
setTimeout(() => {}, 5000);
