// What an opaque origin lacks. In memory, for as long as the document is there.
const opaque = self.origin === "null";
const defined = (where, name, how) => {
  Object.defineProperty(where, name, { configurable: true, enumerable: true, ...how });
};

// Storage as the HTML standard has it, section 12.2, but for its events.
const STORED_CHARACTERS = 5 * 1024 * 1024;
const stores = new WeakMap();
const itemsOf = (storage) => {
  const items = stores.get(storage);
  if (items === undefined) throw new TypeError("Illegal invocation");
  return items;
};
const store = (items, key, value) => {
  let characters = key.length + value.length;
  for (const [name, kept] of items) if (name !== key) characters += name.length + kept.length;
  if (characters > STORED_CHARACTERS) {
    throw new DOMException("Setting the value of '" + key.slice(0, 100) + "' exceeded the quota.", "QuotaExceededError");
  }
  items.set(key, value);
};
const storageMethods = {
  getItem(key) { return itemsOf(this).get(String(key)) ?? null; },
  setItem(key, value) { store(itemsOf(this), String(key), String(value)); },
  removeItem(key) { itemsOf(this).delete(String(key)); },
  clear() { itemsOf(this).clear(); },
  key(index) { return [...itemsOf(this).keys()][index >>> 0] ?? null; }
};
const memoryStorage = () => {
  const items = new Map();
  const isItem = (target, name) => typeof name === "string" && !(name in target) && items.has(name);
  const storage = new Proxy(Object.create(Storage.prototype), {
    get: (target, name) => (isItem(target, name) ? items.get(name) : Reflect.get(target, name, storage)),
    set: (target, name, value) => {
      if (typeof name === "symbol") return Reflect.set(target, name, value);
      store(items, name, String(value));
      return true;
    },
    has: (target, name) => isItem(target, name) || Reflect.has(target, name),
    deleteProperty: (target, name) => {
      if (typeof name === "symbol") return Reflect.deleteProperty(target, name);
      items.delete(name);
      return true;
    },
    defineProperty: (target, name, how) => {
      if (typeof name === "symbol") return Reflect.defineProperty(target, name, how);
      store(items, name, String(how.value));
      return true;
    },
    ownKeys: (target) => [...items.keys(), ...Object.getOwnPropertySymbols(target)],
    getOwnPropertyDescriptor: (target, name) =>
      typeof name === "string" && items.has(name)
        ? { value: items.get(name), writable: true, enumerable: true, configurable: true }
        : Reflect.getOwnPropertyDescriptor(target, name)
  });
  stores.set(storage, items);
  return storage;
};

// Cookies of the document, as RFC 6265 section 5.2 reads them, but for domains and paths.
const COOKIES = 180;
const COOKIE_CHARACTERS = 4096;
const jar = new Map();
const cookies = () => {
  const now = Date.now();
  for (const [name, cookie] of jar) if (cookie.until <= now) jar.delete(name);
  return [...jar].map(([name, cookie]) => (name === "" ? cookie.value : name + "=" + cookie.value)).join("; ");
};
const bake = (text) => {
  const [pair, ...attributes] = text.split(";").map((part) => part.trim());
  const at = pair.indexOf("=");
  const name = at < 0 ? "" : pair.slice(0, at).trim();
  let until = Infinity;
  let aged = false;
  for (const attribute of attributes) {
    const [, key, value] = /^([^=]*)=?(.*)$/s.exec(attribute);
    if (/^max-age$/i.test(key.trim()) && /^-?\d+$/.test(value.trim())) {
      until = Date.now() + Number(value) * 1000;
      aged = true;
    } else if (/^expires$/i.test(key.trim()) && !aged && !Number.isNaN(Date.parse(value))) {
      until = Date.parse(value);
    }
  }
  jar.delete(name);
  if (until > Date.now() && pair.length <= COOKIE_CHARACTERS && jar.size < COOKIES) {
    jar.set(name, { value: pair.slice(at + 1).trim(), until });
  }
};

// An opaque origin's document may change its address by the fragment alone.
// What a page wanted is kept but for the rest of the address.
const lenient = (name) => {
  const own = History.prototype[name];
  History.prototype[name] = function (state, unused, url) {
    try {
      return own.apply(this, arguments);
    } catch (error) {
      if (error.name !== "SecurityError" || url === undefined || url === null) throw error;
      const wanted = new URL(url, document.baseURI);
      if (wanted.origin !== new URL(location.href).origin) throw error;
      return own.call(this, state, unused, wanted.hash === "" ? null : wanted.hash);
    }
  };
};

if (opaque) {
  for (const name of Object.keys(storageMethods)) defined(Storage.prototype, name, { value: storageMethods[name], writable: true });
  defined(Storage.prototype, "length", { get() { return itemsOf(this).size; } });
  for (const name of ["localStorage", "sessionStorage"]) {
    const storage = memoryStorage();
    defined(window, name, { get: () => storage });
  }
  defined(Document.prototype, "cookie", { get: cookies, set: (text) => bake(String(text)) });
  lenient("pushState");
  lenient("replaceState");
  // These throw whatever is asked of them here: who looks first finds that they are not there.
  Reflect.deleteProperty(Navigator.prototype, "serviceWorker");
  for (const name of ["indexedDB", "caches", "cookieStore"]) Reflect.deleteProperty(window, name);
}
