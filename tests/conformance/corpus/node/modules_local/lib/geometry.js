exports.PI = 3;
exports.area = (r) => exports.PI * r * r;
exports.parent = module.parent.id;
exports.isMain = require.main === module;
