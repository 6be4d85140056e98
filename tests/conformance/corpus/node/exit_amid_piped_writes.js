// As much as a pipe holds is written at once; what is more may be lost, here and everywhere.
for (let i = 0; i < 500; i++) process.stdout.write(`${i} ${'x'.repeat(100)}\n`);
process.exit(5);
