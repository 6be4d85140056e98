setTimeout(() => console.log('never'), 10);
process.on('exit', () => console.log('exit handler'));
try {
  process.exit(300);
} finally {
  console.log('never either');
}
