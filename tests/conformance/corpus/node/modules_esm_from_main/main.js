(async () => {
  const esm = await import('./part.mjs');
  console.log(esm.default, Object.keys(esm), esm.meta);
  await import('./broken.mjs');
})();
