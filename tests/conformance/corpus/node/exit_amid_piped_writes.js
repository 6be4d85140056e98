// Pipes are written synchronously, so nothing is lost.
for (let i = 0; i < 2000; i++) process.stdout.write(`${i} ${'x'.repeat(100)}\n`);
process.exit(5);
