const fs = require('fs');

console.log('before');
fs.closeSync(1);
process.on('exit', (code) => console.error('exit', code));
try {
  fs.writeSync(1, 'lost');
} catch (error) {
  console.error(error.code);
}
