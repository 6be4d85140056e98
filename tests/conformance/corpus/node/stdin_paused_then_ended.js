process.stdin.on('end', () => console.log('end of an empty input'));
process.stdin.resume();
