const { area, PI } = require('./lib/geometry');
const data = require('./data.json');
const folder = require('./folder');
const a = require('./cycle_a');

console.log(area(2), PI, data, folder, a);
console.log(require('./lib/geometry') === require('./lib/geometry.js'));
console.log(Object.keys(require.cache), module.children.map((m) => m.id));
console.log(require('./lib/geometry').parent);
require('./missing');
