// case: {"stdin": "a\nb\nc"}
(async () => {
  const lines = require('readline').createInterface({ input: process.stdin });
  for await (const line of lines) console.log(line.toUpperCase());
  for await (const piece of process.stdin) console.log('never', piece);
})();
