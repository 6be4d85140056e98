'use strict';
class Point {
  #x = 1;
  static #made = 0;
  static {
    Point.#made = 5;
  }
  get x() {
    return (this.#x ??= 2);
  }
  static made = () => Point.#made;
}
const { a, ...rest } = { a: 1, b: 2, c: 3 };
label: for (const i of [1, 2]) for (const j of [1, 2]) if (j === 2) continue label;
console.log(new Point().x, Point.made(), a, rest, [3, 1, 2].toSorted?.(), 2n ** 70n, 'ß'.toUpperCase());
console.log(new Intl.NumberFormat('de').format(1234567.891), new Date(0).toISOString(), [..."🙂é"].length);
console.log(structuredClone(new Map([[1, { deep: [1] }]])), new WeakRef({}).deref() !== undefined);
console.log(typeof fetch, typeof Blob, typeof AbortController, eval('1 + 1'), new Function('return this')() === globalThis);
undeclared = 1;
