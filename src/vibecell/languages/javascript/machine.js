/*
 * What Node.js tells of its machine and of its clocks, made true of the cell. Loaded by
 * --require before the main program, in workers as well.
 *
 * Owns `os` and `process` where these read what a cell does not have (/proc/meminfo,
 * /proc/stat, /proc/loadavg) and would tell the host's figures or none, the clocks that
 * count from the start of a process, where that waited for its program, and the flags
 * that sized the heap, once it has its size. Refuses
 * to change what Node.js knows by itself: `process.constrainedMemory()` reads the
 * cell's limit where every program finds it.
 *
 * Source: https://nodejs.org/api/os.html; libuv, src/unix/linux.c
 */
'use strict';

/** What `read` returns; without the warnings of what is deprecated, which a program may ask for. */
const withoutWarning = (read) => {
  const told = Object.getOwnPropertyDescriptor(process, 'noDeprecation');
  process.noDeprecation = true;
  try {
    return read();
  } finally {
    if (told === undefined) delete process.noDeprecation;
    else Object.defineProperty(process, 'noDeprecation', told);
  }
};

/** Call once `worker_threads` is being loaded: it puts a `process.chdir` of its own in place. */
const beforeWorkers = (call) => {
  const told = Object.getOwnPropertyDescriptor(process, 'chdir');
  Object.defineProperty(process, 'chdir', {
    configurable: told.configurable,
    enumerable: told.enumerable,
    get: () => told.value,
    set(value) {
      Object.defineProperty(process, 'chdir', { ...told, value });
      call();
    },
  });
};

/*
 * Node.js brings its own modules compiled, and V8 refuses that code where any of its flags is
 * another than when it was compiled, such as the size of the heap. That is read at the start
 * alone: so these flags are taken back first of all, and set again for the heaps of workers.
 * What a request gives itself stays. `v8` would be compiled in full to get at this function,
 * which costs as much as all that is spared.
 *
 * Source: V8, src/flags/flags.cc, ComputeFlagListHash; src/snapshot/code-serializer.cc,
 * SerializedCodeData::SanityCheck; Node.js, lib/internal/worker.js
 */
const SIZES = /^(--max-old-space-size=)(\d+) (--max-semi-space-size=)(\d+) --require=\S+$/;
const sizes = SIZES.exec(process.env.NODE_OPTIONS);
if (sizes !== null) {
  const { setFlagsFromString } = withoutWarning(() => process.binding?.('v8')) ?? require('v8');
  const [, heap, heapMib, nursery, nurseryMib] = sizes;
  const set = (...flags) => flags.forEach((flag) => setFlagsFromString(flag));
  set(`${heap}0`, `${nursery}0`);
  beforeWorkers(() => set(heap + heapMib, nursery + nurseryMib));
}

const fs = require('fs');
const os = require('os');

const MEMORY_LIMIT = '/run/memory.max';
const FILE_SYSTEMS = ['/workspace', '/tmp', '/dev/shm'];
// before a program may replace them
const ownCpuUsage = process.cpuUsage.bind(process);
const ownUptime = process.uptime.bind(process);
const { bigint: nanoseconds } = process.hrtime;

const memoryLimit = () => Number(fs.readFileSync(MEMORY_LIMIT, 'utf8'));

/** Bytes of a process that are its own: not the pages of programs and libraries. */
const ownBytes = (pid) => {
  try {
    const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
    const sizes = status.matchAll(/^RssAnon:\s+(\d+) kB$/gm);
    return Array.from(sizes).reduce((sum, [, kib]) => sum + 1024 * kib, 0);
  } catch {
    return 0; // it has ended
  }
};

const freeMemory = () => {
  const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== '1');
  let used = pids.reduce((sum, pid) => sum + ownBytes(pid), 0);
  for (const path of FILE_SYSTEMS) {
    const { blocks, bfree, bsize } = fs.statfsSync(path);
    used += (blocks - bfree) * bsize;
  }
  return Math.max(0, memoryLimit() - used);
};

/** Put a function in the place of another that is like it. */
const replace = (object, name, call) => {
  const there = object[name];
  if (there === undefined) return; // an older Node.js
  Object.defineProperty(call, 'name', { value: there.name });
  if (there[Symbol.toPrimitive]) call[Symbol.toPrimitive] = () => call();
  object[name] = call;
};

/** One entry for each processor that the cell may use, each with its share of our time. */
const processors = () => {
  const count = os.availableParallelism?.() ?? 1;
  const used = ownCpuUsage();
  const share = (microseconds) => Math.round(microseconds / 1000 / count);
  const [user, sys] = [share(used.user), share(used.system)];
  const idle = Math.max(0, Math.round(ownUptime() * 1000) - user - sys);
  return Array.from({ length: count }, () => ({
    model: 'unknown',
    speed: 0,
    times: { user, nice: 0, sys, idle, irq: 0 },
  }));
};

/** Take from sight that a module was preloaded. */
const forget = (preloaded) => {
  delete require.cache[preloaded.filename];
  const parent = withoutWarning(() => preloaded.parent); // DEP0144
  if (parent?.children) parent.children = parent.children.filter((child) => child !== preloaded);
  // not taken out of this list, which is gone through at the moment
  const value = process._preload_modules.filter((name) => name !== preloaded.filename);
  Object.defineProperty(process, '_preload_modules', { value });
};

replace(os, 'cpus', () => processors());
replace(os, 'totalmem', () => memoryLimit());
replace(os, 'freemem', () => freeMemory());
// what it is where a system has no such figure
replace(os, 'loadavg', () => [0, 0, 0]);
replace(process, 'availableMemory', () => freeMemory());

/**
 * Have clocks begin later by what `wait` takes, which they have not counted then.
 * Absolute ones (`process.hrtime`, `Date`) have no beginning.
 */
const passOver = (wait) => {
  let waitedMs = 0;
  const { prototype } = Performance;
  const told = Object.getOwnPropertyDescriptors(prototype);
  const accessor = (object, name, read) => {
    const { get, ...rest } = Object.getOwnPropertyDescriptor(object, name);
    Object.defineProperty(object, name, { ...rest, get: read(get) });
  };
  const now = (performer) => told.now.value.call(performer) - waitedMs;
  // where Node.js would read its clock by itself
  const endsNow = ({ start, end, duration }) =>
    end === undefined && (start === undefined || duration === undefined);
  const replacements = {
    now() {
      return now(this);
    },
    toJSON() {
      return { ...told.toJSON.value.call(this), timeOrigin: this.timeOrigin };
    },
    mark(name, options) {
      const given = [...arguments];
      const isUntimed = options == null || (typeof options === 'object' && options.startTime === undefined);
      if (given.length > 0 && isUntimed) given[1] = { ...options, startTime: now(this) };
      return told.mark.value.apply(this, given);
    },
    measure(name, start, end) {
      const given = [...arguments];
      if (given.length > 0 && end === undefined) {
        const hasOptions = start !== null && typeof start === 'object';
        const bounded = hasOptions && (start.start !== undefined || start.end !== undefined);
        if (!bounded) given.splice(1, 2, start, now(this));
        else if (endsNow(start)) given[1] = { ...start, end: now(this) };
      }
      return told.measure.value.apply(this, given);
    },
  };
  for (const [name, value] of Object.entries(replacements)) {
    Object.defineProperty(value, 'length', { value: told[name].value.length });
    Object.defineProperty(prototype, name, { ...told[name], value });
  }
  const later = (get) => function () { return get.call(this) + waitedMs; };
  const earlier = (get) => function () { return get.call(this) - waitedMs; };
  accessor(prototype, 'timeOrigin', later);
  accessor(performance.nodeTiming, 'duration', earlier);
  accessor(Event.prototype, 'timeStamp', earlier);
  replace(process, 'uptime', () => ownUptime() - waitedMs / 1000);

  const began = nanoseconds();
  wait();
  waitedMs = Number(nanoseconds() - began) / 1e6;
};

// what stands before a request's own value of the variable ends with this
const OURS = `--require=${__filename}`;
const { NODE_OPTIONS } = process.env;
if (NODE_OPTIONS?.includes(OURS)) {
  const end = NODE_OPTIONS.indexOf(OURS) + OURS.length;
  if (end === NODE_OPTIONS.length) delete process.env.NODE_OPTIONS;
  else process.env.NODE_OPTIONS = NODE_OPTIONS.slice(end + 1);
}
require('./whole_output.js');
forget(require.cache[require.resolve('./whole_output.js')]);
forget(module);
module.exports = { forget, passOver };
