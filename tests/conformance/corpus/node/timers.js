const order = [];
const note = (text) => order.push(text);
setTimeout(() => note('timeout 150'), 150);
setTimeout(() => note('timeout 5'), 5);
const interval = setInterval(() => {
  note('interval');
  if (order.filter((x) => x === 'interval').length === 2) clearInterval(interval);
}, 400);
setTimeout(() => {}, 60_000).unref();
process.nextTick(() => note('tick'));
process.on('exit', () => console.log(order));
