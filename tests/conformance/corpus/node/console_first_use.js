// case: {"env": {"FORCE_COLOR": "1", "ORDER_Z": "1", "ORDER_A": "2"}}
// What the first print meets is the program's own: its patches, its environment, its console.
const { Socket } = require('net');
const ticks = [];
const { nextTick } = process;
process.nextTick = function (call, ...rest) {
  ticks.push(call.name);
  return nextTick.call(process, call, ...rest);
};
const { write } = Socket.prototype;
Socket.prototype.write = function (data, ...rest) {
  ticks.push(`write ${JSON.stringify(String(data))}`);
  return write.call(this, data, ...rest);
};
console.log({ a: [1, 'two', null], nested: new Map([['k', { deep: [[[1]]] }]]) }, '%s');
console.error('to stderr');
process.on('exit', () => {
  process.nextTick = nextTick;
  Socket.prototype.write = write;
  console.log(ticks, nextTick.name, String(nextTick).length);
  console.log(Object.keys(process.env));
  console.log(Object.getOwnPropertyDescriptor(process, 'nextTick'));
  console.log(process.stdout._events, process.stdout.listenerCount('error'), process.stdout.fd);
});
