// The default report names the process id, so only a listener of our own reports here.
process.removeAllListeners('warning');
process.on('warning', (warning) => console.log('saw', warning.name, warning.code, warning.message));
process.emitWarning('a made-up warning', 'MadeUp', 'MU001');
new Buffer(1);
const emitter = new (require('events'))();
for (let i = 0; i < 12; i++) emitter.on('x', () => {});
