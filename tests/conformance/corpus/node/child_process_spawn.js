const { spawn, spawnSync, execFileSync } = require('child_process');

console.log(execFileSync(process.execPath, ['-p', 'process.argv.length']).toString());
console.log(spawnSync('sh', ['-c', 'cat; exit 3'], { input: 'through cat' }).status);
console.log(spawnSync('no-such-program').error.code);
console.log(spawnSync('sh', ['-c', 'kill -9 $$']).signal);
spawnSync(process.execPath, ['-e', 'console.log(process.execArgv, "NODE_OPTIONS" in process.env)'], { stdio: 'inherit' });
const child = spawn('sh', ['-c', 'echo out; echo err >&2; exit 4']);
child.stdout.on('data', (data) => console.log('child out', String(data)));
child.on('close', (code) => console.log('child closed', code));
