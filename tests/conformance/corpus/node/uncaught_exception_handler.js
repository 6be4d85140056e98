process.on('uncaughtException', (error, origin) => {
  console.log('handler:', error.message, origin);
  process.exitCode = 6;
});
setTimeout(() => console.log('goes on'), 10);
throw new Error('first');
