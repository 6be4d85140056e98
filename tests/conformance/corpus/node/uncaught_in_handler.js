process.on('uncaughtException', () => {
  throw new Error('the handler fails');
});
throw new Error('first');
