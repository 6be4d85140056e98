console.log('interrupting');
process.on('exit', () => console.log('never'));
process.kill(process.pid, 'SIGINT');
setTimeout(() => {}, 5000);
