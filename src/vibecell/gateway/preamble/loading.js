// The page's own files are foreign to an opaque origin, and readable to all. A browser hides of
// what is foreign: the lines of a script's errors, the pixels of a picture; unless it was asked
// for with "crossorigin".
const openly = (element) => {
  if (!element.hasAttribute("crossorigin")) element.setAttribute("crossorigin", "anonymous");
};
const LOADING = new Set(["SCRIPT", "IMG", "AUDIO", "VIDEO"]);
const ownFetch = window.fetch;

const seen = new MutationObserver((records) => {
  for (const record of records) for (const node of record.addedNodes) if (LOADING.has(node.nodeName)) openly(node);
});
const openlyWhenSet = (kind) => {
  const { get, set } = Object.getOwnPropertyDescriptor(kind.prototype, "src");
  defined(kind.prototype, "src", { get, set(value) { openly(this); set.call(this, value); } });
};

// A browser starts a worker from a script of its own origin only, which a blob of the page's is.
const inWorker = (base) => {
  const at = (url) => new URL(url, base).href;
  const given = (input) => (typeof input === "string" || input instanceof URL ? at(input) : input);
  const { fetch: fetches, importScripts: imports } = self;
  const open = XMLHttpRequest.prototype.open;
  self.fetch = function (input, ...rest) { return fetches.call(self, given(input), ...rest); };
  XMLHttpRequest.prototype.open = function (method, url, ...rest) { return open.call(this, method, at(url), ...rest); };
  if (imports !== undefined) self.importScripts = function (...urls) { return imports.apply(self, urls.map(at)); };
  Object.defineProperty(self, "location", { value: new URL(base), configurable: true });
};
const blobAddress = (text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
const dataAddress = (text) => "data:text/javascript;charset=utf-8," + encodeURIComponent(text);
const readNow = (address) => {
  const request = new XMLHttpRequest();
  request.open("GET", address, false);
  try { request.send(); } catch { return null; }
  return request.status === 200 ? request.responseText : null;
};
// The script itself is a blob as well, so that its errors are told with their lines.
const classicStart = (address) => {
  const source = readNow(address);
  const imported = source === null ? address : blobAddress(source + "\n//# sourceURL=" + address);
  return blobAddress("(" + inWorker + ")(" + JSON.stringify(address) + "); importScripts(" + JSON.stringify(imported) + ");");
};
// Chromium starts no module of an opaque origin from a blob, and does from "data:".
const moduleStart = (address) => {
  if (address.startsWith("blob:")) return dataAddress(readNow(address) ?? "");
  const prelude = dataAddress("(" + inWorker + ")(" + JSON.stringify(address) + ");");
  return dataAddress("import " + JSON.stringify(prelude) + "; import " + JSON.stringify(address) + ";");
};

if (opaque) {
  seen.observe(document, { childList: true, subtree: true });
  addEventListener("DOMContentLoaded", () => seen.disconnect());
  openlyWhenSet(HTMLScriptElement);
  openlyWhenSet(HTMLImageElement);
  openlyWhenSet(HTMLMediaElement);

  // Its files need no credentials, and with them the answer would be refused.
  window.fetch = function fetch(input, init) {
    if (init?.credentials === "include") init = { ...init, credentials: "omit" };
    if (init?.mode === "same-origin") init = { ...init, mode: "cors" };
    return arguments.length === 0 ? ownFetch.call(window) : ownFetch.call(window, input, init);
  };
  defined(XMLHttpRequest.prototype, "withCredentials", { get: () => false, set: () => {} });

  const OwnWorker = window.Worker;
  window.Worker = class Worker extends OwnWorker {
    constructor(url, options) {
      const address = new URL(url, document.baseURI).href;
      const isOwn = address.startsWith(ROOT);
      if (options?.type === "module" && (isOwn || address.startsWith("blob:"))) super(moduleStart(address), options);
      else super(isOwn ? classicStart(address) : url, options);
    }
  };
}

const WHAT = {
  "connect-src": "a request", "form-action": "a form", "frame-src": "a frame", "font-src": "a font", "img-src": "an image",
  "manifest-src": "a manifest", "media-src": "a medium", "object-src": "a plug-in", "script-src": "a script",
  "script-src-elem": "a script", "style-src": "a style sheet", "style-src-elem": "a style sheet", "worker-src": "a worker"
};
const blocked = new Set();
addEventListener("securitypolicyviolation", (event) => {
  const what = WHAT[event.effectiveDirective] ?? event.effectiveDirective;
  if (blocked.size < 1000) blocked.add(event.blockedURI);
  const reason = event.effectiveDirective === "form-action"
    ? "a form can be handled by a script of the page, and sent to nobody"
    : "a page reaches only the files that were sent with it, by addresses relative to it";
  const where = event.lineNumber > 0 ? " (" + place(event.sourceFile, event.lineNumber, event.columnNumber) + ")" : "";
  tell("error", () => "Blocked by the sandbox: " + what + ", " + shortened(event.blockedURI) + where + "; " + reason);
}, true);

// A browser tells that something was not loaded before it tells that it was blocked.
const AFTER_THE_REASON_MS = 50;
const tellUnloaded = (element) => {
  const address = element.src || element.href || element.data;
  if (typeof address !== "string" || !URL.canParse(address, document.baseURI)) return;
  const url = new URL(address, document.baseURI).href;
  if (blocked.has(url)) return;
  const name = shortened(url);
  if (!url.startsWith(ROOT)) {
    tell("error", () => "Could not load " + name);
    return;
  }
  ownFetch(url, { method: "HEAD" }).then((answer) => {
    tell("error", () => "Could not load " + name + (answer.ok ? ": the file is there, and is not what it is used as" : ": no such file was sent with the page"));
  }, () => tell("error", () => "Could not load " + name));
};
addEventListener("error", (event) => { if (event.target instanceof Element) later(tellUnloaded, AFTER_THE_REASON_MS, event.target); }, true);
