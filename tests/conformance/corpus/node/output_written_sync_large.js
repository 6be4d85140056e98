// A pipe nobody has opened as a stream blocks when it is full.
const { writeSync } = require('fs');
const line = Buffer.from(`${'y'.repeat(99)}\n`.repeat(3000));
let written = 0;
while (written < line.length) written += writeSync(1, line, written);
writeSync(1, `${written}\n`);
