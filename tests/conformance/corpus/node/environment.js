// case: {"env": {"GREETING": "hällo", "EMPTY": ""}}
const { execFileSync } = require('child_process');

for (const name of Object.keys(process.env).sort()) console.log(name, JSON.stringify(process.env[name]));
process.env.ADDED = 7;
delete process.env.EMPTY;
const lines = execFileSync('env', { encoding: 'utf8' }).trim().split('\n');
console.log(lines.filter((line) => !line.startsWith('_=')).sort());
