const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
process.stdout.write(all);
require('fs').writeSync(1, Buffer.from([0xff, 0xfe, 0x0a]));
process.stderr.write(Buffer.from([0xc3]));
process.stderr.write(Buffer.from([0xa9, 0x0a]));
console.log('\ud800 lone surrogate 🙂 \u2028');
