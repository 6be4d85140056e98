// Opening process.stdin makes its pipe non-blocking; before that, nothing may have. So does opening
// output elsewhere, where the end of what is printed may be lost: that flag is left out.
const { readFileSync, writeSync } = require('fs');

const { O_NONBLOCK } = require('fs').constants;

const flags = () =>
  [0, 1, 2].map((fd) => {
    const found = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').match(/flags:\t(\d+)/)[1];
    return (parseInt(found, 8) & ~(fd === 0 ? 0 : O_NONBLOCK)).toString(8);
  });
const active = () => JSON.stringify([process.getActiveResourcesInfo(), process._getActiveHandles().length]);
writeSync(1, `${flags()} ${active()}\n`);
process.stdout.write('opened\n');
writeSync(1, `${flags()} ${active()}\n`);
console.log('printed');
writeSync(1, `${flags()} ${active()}\n`);
process.stdin.resume();
writeSync(1, `${flags()} ${active()}\n`);
