async function* count(to) {
  try {
    for (let i = 0; i < to; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      yield i;
    }
  } finally {
    console.log('generator closed');
  }
}

(async () => {
  for await (const n of count(10)) {
    console.log(n);
    if (n === 3) break;
  }
  console.log(await Promise.allSettled([Promise.resolve(1), Promise.reject(new Error('no'))]));
  await Promise.any([Promise.reject(new Error('a')), Promise.reject(new Error('b'))]);
})();
