for (let i = 0; i < 4000; i++) console.log(String(i).padStart(5, '0'), 'x'.repeat(100));
console.error('e'.repeat(100000));
process.stdout.write('y'.repeat(300000), () => console.error('written'));
