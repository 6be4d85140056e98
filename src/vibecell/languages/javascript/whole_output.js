/*
 * Standard output and error that are written whole, loaded before the main program.
 *
 * On a pipe Node.js writes what fits, 64 KiB, and the rest when its event loop comes to it:
 * after `process.exit()`, an uncaught error or a kill, never. On files and terminals
 * it writes at once; here on pipes as well, by having them block. Refuses to open a
 * stream before the program does, and leaves no trace once it has.
 *
 * Source: https://nodejs.org/api/process.html#a-note-on-process-io; libuv,
 * src/unix/stream.c, uv_stream_set_blocking()
 */
'use strict';

for (const name of ['stdout', 'stderr']) {
  const opening = Object.getOwnPropertyDescriptor(process, name);
  Object.defineProperty(process, name, {
    ...opening,
    get() {
      Object.defineProperty(process, name, opening);
      const stream = process[name];
      if (stream._type === 'pipe') stream._handle?.setBlocking(true);
      return stream;
    },
  });
}
