process.on('SIGUSR2', (name, number) => {
  console.log(name, number);
  process.removeAllListeners('SIGUSR2');
  console.log('dying by SIGTERM');
  process.kill(process.pid, 'SIGTERM');
});
setTimeout(() => console.log('never'), 5000);
process.kill(process.pid, 'SIGUSR2');
