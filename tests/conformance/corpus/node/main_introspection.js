// case: {"args": ["one", "two words", "--flag=3", ""]}
console.log(__filename, __dirname);
console.log(require.main === module, module.parent, module.id, module.loaded, module.children);
console.log(module.paths, module.filename, require.main.filename);
console.log(process.argv, process.argv0, process.execArgv, process.execPath, process.title);
console.log(this === module.exports, arguments.length, typeof arguments[1]);
console.log(Object.keys(require.cache), require.extensions['.js'] !== undefined);
console.log(require.resolve('./main.js'), Object.keys(require('module')._pathCache || {}).length > -1);
console.log(Object.keys(globalThis));
console.log(Object.getOwnPropertyNames(module), module.constructor.name);
