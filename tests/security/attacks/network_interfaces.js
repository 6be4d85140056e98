// Looks for interfaces and connects to the outside from Node.js.
// Expected containment: nothing but loopback.
const fs = require('fs');
const os = require('os');
const net = require('net');

console.log('CELL', fs.readlinkSync('/proc/self/ns/pid'), fs.readFileSync('/proc/1/stat', 'utf8').split(' ')[21]);
for (const [name, list] of Object.entries(os.networkInterfaces())) {
  if (list.some((address) => !address.internal)) {
    console.log('ESCAPED: interface', name);
    process.exit(1);
  }
}
let left = 0;
for (const host of ['169.254.169.254', '1.1.1.1', '::ffff:1.1.1.1', '172.17.0.1']) {
  left++;
  const socket = net.connect({ host, port: 80, timeout: 500 });
  const done = () => {
    socket.destroy();
    if (--left === 0) console.log('CONTAINED');
  };
  socket.on('connect', () => console.log('ESCAPED: connected to', host));
  socket.once('error', done);
  socket.once('timeout', () => socket.emit('error', new Error('timeout')));
}
