class Widget {
  constructor() {
    this.render();
  }

  render() {
    console.log(new Error('where').stack);
    console.trace('trace');
  }
}

new Widget();
[1].forEach(function each() {
  console.log(new Error('in a callback').stack);
});
(async () => {
  await null;
  console.log(new Error('after await').stack);
})();
setTimeout(() => console.log(new Error('in a timer').stack), 1);
