try {
  JSON.parse('{ broken');
} catch (error) {
  throw new Error('cannot read the settings', { cause: error });
}
