function outer(values) {
  return values.map((value) => inner(value));
}

function inner(value) {
  if (value === 0) throw new RangeError('zero is not allowed');
  return 10 / value;
}

console.log('before');
outer([5, 2, 0]);
console.log('never');
