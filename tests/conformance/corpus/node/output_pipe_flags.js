// Opening process.stdout makes its pipe non-blocking; before that, nothing may have.
const { readFileSync, writeSync } = require('fs');

const flags = () =>
  [0, 1, 2].map((fd) => readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').match(/flags:\t(\d+)/)[1]);
const active = () => JSON.stringify([process.getActiveResourcesInfo(), process._getActiveHandles().length]);
writeSync(1, `${flags()} ${active()}\n`);
process.stdout.write('opened\n');
writeSync(1, `${flags()} ${active()}\n`);
console.log('printed');
writeSync(1, `${flags()} ${active()}\n`);
process.stdin.resume();
writeSync(1, `${flags()} ${active()}\n`);
