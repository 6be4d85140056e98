/*
 * The wait of a warm Node.js process, loaded by NODE_OPTIONS=--require before
 * its main program. It does ahead what the first print of every program would
 * have to do, blocks on descriptor 3 until the start message comes, applies it,
 * and removes every trace of itself; Node.js then goes on by itself to run
 * main.js, as `node main.js` does.
 *
 * What differs by design: `process.moduleLoadList` is fuller,
 * `/proc/self/environ` shows the block the process began with, and entries that
 * Node.js puts on its performance timeline by itself count from that beginning, too.
 *
 * Source: https://nodejs.org/api/cli.html#-r---require-module
 */
'use strict';

const { forget, passOver } = require('./machine.js');

/*
 * Whether this is not a worker, which preloads this file as well. A worker may
 * not change the directory; loading `worker_threads` to ask costs every cell more.
 *
 * Source: https://nodejs.org/api/process.html#processchdirdirectory
 */
const isMainThread = () => {
  try {
    process.chdir('.');
    return true;
  } catch (error) {
    if (error.code !== 'ERR_WORKER_UNSUPPORTED_OPERATION') throw error;
    return false;
  }
};

if (isMainThread()) {
  const fs = require('fs');
  const CONTROL = 3;

  /*
   * Print to a socket that leads nowhere: the modules behind `process.stdout` are
   * loaded and their functions compiled, which is most of what a small program
   * costs. The real streams are not touched: opening them sets O_NONBLOCK on
   * pipes that children share. Nor is anything queued, or an async id used up.
   * `colorMode`, when not given, would open the real stderr.
   */
  const warmPrinting = () => {
    const { Console } = require('console');
    const { Socket } = require('net');
    const succeed = () => 0;
    const handle = { getAsyncId: () => 0, writeUtf8String: succeed, writeLatin1String: succeed };
    const stdout = new Socket({ handle, readable: false, writable: true });
    const { nextTick } = process;
    process.nextTick = () => {};
    new Console({ stdout, colorMode: false }).log('%s', 1, { key: ['text'] });
    process.nextTick = nextTick;
  };

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

  const decode = (bytes) => JSON.parse(bytes.toString('utf8'));

  /** Whether a new environment is what there is already, in the same order. */
  const isSame = (there, env) => {
    const names = Object.keys(env);
    return (
      names.length === there.length &&
      names.every((name, i) => name === there[i][0] && env[name] === there[i][1])
    );
  };

  warmPrinting();
  delete process.env.NODE_OPTIONS;
  const there = Object.entries(process.env);
  // once for nothing: it compiles what reads the start message
  isSame(there, decode(Buffer.from(JSON.stringify(process.env))));
  Buffer.alloc(4).readUInt32BE(0);
  fs.closeSync(fs.openSync('/dev/null'));

  let length;
  passOver(() => {
    fs.writeSync(CONTROL, 'R');
    length = readExactly(4);
  });
  const start = decode(readExactly(length.readUInt32BE(0)));
  fs.closeSync(CONTROL);
  if (!isSame(there, start.env)) {
    for (const [name] of there) delete process.env[name];
    Object.assign(process.env, start.env);
  }
  process.argv.push(...start.argv);
}

forget(module);
