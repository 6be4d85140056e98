// Leaves detached children behind.
// Expected containment: they die with the cell.
const fs = require('fs');
const { spawn } = require('child_process');

console.log('CELL', fs.readlinkSync('/proc/self/ns/pid'), fs.readFileSync('/proc/1/stat', 'utf8').split(' ')[21]);
for (let i = 0; i < 4; i++) spawn('sleep', ['3600'], { detached: true, stdio: 'ignore' }).unref();
console.log('CONTAINED');
process.exit(0);
