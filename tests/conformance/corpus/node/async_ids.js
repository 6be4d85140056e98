// Nothing that was done before the program may have used up an id.
const { AsyncResource, executionAsyncId, triggerAsyncId, createHook } = require('async_hooks');
const { writeSync } = require('fs');

const seen = [];
createHook({ init: (id, type, trigger) => seen.push(`${type} ${id} ${trigger}`) }).enable();
seen.push(`main ${executionAsyncId()} ${triggerAsyncId()}`);
seen.push(`own ${new AsyncResource('own').asyncId()}`);
process.nextTick(() => seen.push(`tick ${executionAsyncId()}`));
Promise.resolve().then(() => seen.push(`then ${executionAsyncId()}`));
setTimeout(() => console.log('printed late'), 1);
process.on('exit', () => writeSync(1, `${seen.join('\n')}\n`));
