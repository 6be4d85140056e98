// case: {"files": {"data/in.txt": "línea\n"}}
const fs = require('fs');
const os = require('os');
const path = require('path');

console.log(fs.readdirSync('.').sort(), fs.readFileSync('data/in.txt', 'utf8'));
fs.mkdirSync('out/deep', { recursive: true });
fs.writeFileSync(path.join('out', 'deep', 'a.txt'), 'a');
console.log(fs.statSync('out/deep/a.txt').mode.toString(8), fs.realpathSync('out'), os.tmpdir(), os.homedir());
fs.rmSync('out', { recursive: true });
fs.promises.readFile('missing.txt').catch((error) => console.log(error.message));
console.log(fs.readdirSync('/proc/self/fd').map(Number).filter((fd) => fd < 3));
fs.readFileSync('missing too');
