/*
 * The wait of a warm Node.js process, loaded by NODE_OPTIONS=--require before
 * its main program. It blocks on descriptor 3 until the start message comes,
 * applies it, and removes every trace of itself; Node.js then goes on by
 * itself to run main.js, as `node main.js` does.
 *
 * Source: https://nodejs.org/api/cli.html#-r---require-module
 */
'use strict';

const { isMainThread } = require('worker_threads');

if (isMainThread) {
  const fs = require('fs');
  const CONTROL = 3;

  const readExactly = (size) => {
    const buffer = Buffer.alloc(size);
    let filled = 0;
    while (filled < size) {
      const count = fs.readSync(CONTROL, buffer, filled, size - filled, null);
      if (count === 0) process.exit(0);
      filled += count;
    }
    return buffer;
  };

  fs.writeSync(CONTROL, 'R');
  const start = JSON.parse(readExactly(readExactly(4).readUInt32BE(0)).toString('utf8'));
  fs.closeSync(CONTROL);
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, start.env);
  process.argv.push(...start.argv);
}

delete require.cache[__filename];
if (module.parent && module.parent.children) {
  module.parent.children = module.parent.children.filter((child) => child !== module);
}
