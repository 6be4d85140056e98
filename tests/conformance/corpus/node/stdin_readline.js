// case: {"stdin": "Ada\n3\n1 2 3\n"}
const readline = require('readline');

const rl = readline.createInterface({ input: process.stdin, output: process.stdout });
rl.question('name? ', (name) => {
  console.log(`hello ${name}`);
  rl.on('line', (line) => console.log('line', line));
  rl.on('close', () => console.log('closed'));
});
