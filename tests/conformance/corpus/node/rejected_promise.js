async function work() {
  await null;
  throw new TypeError('rejected and not handled');
}

console.log('start');
work();
setTimeout(() => console.log('never'), 50);
