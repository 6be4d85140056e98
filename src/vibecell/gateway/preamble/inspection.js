// Where the files of the page are, and which of them this is.
const ROOT = (/^[^?#]*?\/v1\/executions\/[A-Za-z0-9_-]+\/page\//.exec(location.href) ?? [location.href])[0];
const DOCUMENT = decodeURIComponent(document.currentScript.dataset.path);
document.currentScript.remove();
const OURS = "vibecell-preamble.js";

// An address as the page's author knows it: by the file's path.
const shortened = (address) => {
  const text = String(address);
  if (!text.startsWith(ROOT)) return text.slice(0, 500);
  const [path] = text.slice(ROOT.length).split(/[?#]/);
  if (path === "") return DOCUMENT;
  try { return decodeURIComponent(path); } catch { return path; }
};
// The script that stands before the page has moved the columns of its first line, and no line.
const place = (address, line, column) => {
  const name = shortened(address || DOCUMENT);
  return name + ":" + line + (line === 1 && name === DOCUMENT ? "" : ":" + column);
};
const stackOf = (error) => {
  const lines = String(error.stack ?? "").split("\n").filter((line) => !line.includes(OURS));
  return lines.join("\n").replace(/https?:\/\/[^\s()]*?(?=:\d+:\d+)/g, shortened);
};

const DEPTH = 4;
const MEMBERS = 100;
const CHARACTERS = 10000;
const LINE_CHARACTERS = 76;
const PACKED_CHARACTERS = 16;
const quoted = (text) => {
  const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : "'";
  const inner = text.replace(/[\\\n\r\t\u0000-\u001f]/g, (c) => ({ "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" })[c] ?? "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0"));
  return mark + (mark === "'" ? inner.replace(/'/g, "\\'") : inner) + mark;
};
const keyText = (key) => (typeof key === "symbol" ? "[" + String(key) + "]" : /^[A-Za-z_$][\w$]*$/.test(key) ? key : quoted(key));
const kindOf = (value) => {
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null) return "[Object: null prototype]";
  const maker = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  return typeof maker === "function" && maker.name !== "" ? maker.name : "Object";
};
const errorText = (error) => {
  const head = (error.name ?? "Error") + (error.message ? ": " + error.message : "");
  const stack = stackOf(error);
  return stack === "" ? head : stack.includes(head) || /^\w*(Error|Exception)/.test(stack) ? stack : head + "\n" + stack;
};
const nodeText = (node) => {
  if (node instanceof Element) return node.outerHTML.slice(0, CHARACTERS);
  if (node instanceof Document) return "#document (" + shortened(node.URL) + ")";
  if (node instanceof Comment) return "<!" + "--" + node.data.slice(0, 200) + "-->";
  return node instanceof Text ? "#text " + quoted(node.data.slice(0, 200)) : node.nodeName;
};

// The state of one look: `left` characters may be written yet, `above` are the objects one is in.
const simple = (value, state) => {
  switch (typeof value) {
    case "string": return state.above.length === 0 && state.bare ? value : quoted(value.slice(0, CHARACTERS));
    case "bigint": return value + "n";
    case "number": return Object.is(value, -0) ? "-0" : String(value);
    case "function": {
      const isClass = /^class\b/.test(Function.prototype.toString.call(value));
      return (isClass ? "[class " : "[Function: ") + (value.name || "(anonymous)") + "]";
    }
    case "object": return value === null ? "null" : undefined;
    default: return String(value);
  }
};
const special = (value) => {
  if (value === window) return "Window";
  if (value instanceof Node) return nodeText(value);
  if (value instanceof Error || value instanceof DOMException) return errorText(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) return kindOf(value) + " {}";
  if (value instanceof ArrayBuffer) return "ArrayBuffer(" + value.byteLength + ")";
  if (value instanceof Storage) return "Storage " + JSON.stringify(Object.assign({}, value)).slice(0, 1000);
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return "[" + kindOf(value) + ": " + inspected(value.valueOf()) + "]";
  return undefined;
};
const isList = (value) => Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView)) || value instanceof NodeList || value instanceof HTMLCollection || Object.prototype.toString.call(value) === "[object Arguments]";

const packed = (parts) => {
  const lines = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + part.length < LINE_CHARACTERS) lines.push(lines.pop() + ", " + part);
    else lines.push(part);
  }
  return lines;
};
const joined = (open, parts, close, state) => {
  if (parts.length === 0) return open + close;
  const line = open + " " + parts.join(", ") + " " + close;
  if (line.length <= LINE_CHARACTERS && !line.includes("\n")) return line;
  const indent = "  ".repeat(state.above.length + 1);
  if (close === "]" && parts.every((part) => part.length <= PACKED_CHARACTERS && !part.includes("\n"))) parts = packed(parts);
  return open + "\n" + parts.map((part) => indent + part).join(",\n") + "\n" + indent.slice(2) + close;
};
const written = function* (value, state) {
  if (isList(value)) {
    for (let i = 0; i < value.length; i += 1) yield i in value ? () => look(value[i], state) : () => "<empty>";
    return;
  }
  if (value instanceof Map) {
    for (const [key, member] of value) yield () => look(key, state) + " => " + look(member, state);
  } else if (value instanceof Set) {
    for (const member of value) yield () => look(member, state);
  }
  for (const key of Reflect.ownKeys(value)) {
    const how = Reflect.getOwnPropertyDescriptor(value, key);
    if (how === undefined || !how.enumerable) continue;
    const member = () => ("value" in how ? look(how.value, state) : how.get ? (how.set ? "[Getter/Setter]" : "[Getter]") : "[Setter]");
    yield () => keyText(key) + ": " + member();
  }
};
const composed = (value, state) => {
  const kind = kindOf(value);
  const sized = value instanceof Map || value instanceof Set ? kind + "(" + value.size + ") " : null;
  const list = isList(value);
  const prefix = sized ?? (list ? (kind === "Array" ? "" : kind + "(" + value.length + ") ") : kind === "Object" ? "" : kind + " ");
  const [open, close] = list ? ["[", "]"] : ["{", "}"];
  if (state.above.length >= DEPTH) return prefix + open + "…" + close;
  const parts = [];
  state.above.push(value);
  let count = 0;
  for (const part of written(value, state)) {
    count += 1;
    if (parts.length >= MEMBERS || state.left <= 0) {
      parts.push(list ? "… " + (value.length - parts.length) + " more" : "…");
      break;
    }
    const text = part();
    state.left -= text.length;
    parts.push(text);
  }
  state.above.pop();
  return joined(prefix + open, parts, close, state);
};
const look = (value, state) => {
  const short = simple(value, state) ?? special(value);
  if (short !== undefined) return short;
  if (state.above.includes(value)) return "[Circular]";
  return composed(value, state);
};
// A value as text, in at most about CHARACTERS; a text by itself stays as it is if `bare`.
const inspected = (value, bare = false) => {
  try {
    return look(value, { left: CHARACTERS, above: [], bare });
  } catch {
    return "[unprintable]";
  }
};
