// What the page says to its console, told to who frames it, as text. A page that says too much
// at once is cut short here; who frames it does not rely on that.
const BURST = 500;
const PER_SECOND = 200;
const CHARACTERS_PER_TOKEN = 1000;
const LOST_AFTER_MS = 500;
const framed = parent !== window;
const post = parent.postMessage.bind(parent);
const clock = performance.now.bind(performance);
const later = setTimeout.bind(window);
let tokens = BURST;
let refilled = clock();
let lost = 0;
let depth = 0;

const send = (level, text) => post({ source: "vibecell-page", level, text }, "*");
const refill = () => {
  const now = clock();
  tokens = Math.min(BURST, tokens + ((now - refilled) * PER_SECOND) / 1000);
  refilled = now;
};
const tellLost = () => {
  refill();
  if (tokens < BURST / 10) {
    later(tellLost, LOST_AFTER_MS);
    return;
  }
  tokens -= 1;
  send("warn", lost + (lost === 1 ? " message was" : " messages were") + " left out: too many at once");
  lost = 0;
};
const tell = (level, text) => {
  if (!framed) return;
  refill();
  if (tokens < 1 || lost > 0) {
    lost += 1;
    if (lost === 1) later(tellLost, LOST_AFTER_MS);
    return;
  }
  tokens -= 1;
  let words = "[unprintable]";
  try { words = text().slice(0, CHARACTERS); } catch {}
  tokens -= words.length / CHARACTERS_PER_TOKEN;
  const indent = "  ".repeat(Math.min(depth, 20));
  send(level, indent + (depth === 0 ? words : words.replace(/\n/g, "\n" + indent)));
};

// Source: https://console.spec.whatwg.org/#formatter
const directive = (kind, value) => {
  switch (kind) {
    case "s": return typeof value === "object" || typeof value === "function" ? inspected(value, true) : String(value);
    case "d":
    case "i": return typeof value === "symbol" ? "NaN" : typeof value === "bigint" ? value + "n" : String(parseInt(value, 10));
    case "f": return typeof value === "symbol" ? "NaN" : String(parseFloat(value));
    case "c": return "";
    default: return inspected(value);
  }
};
const formatted = (values) => {
  let rest = [...values];
  let text = "";
  if (typeof rest[0] === "string" && rest.length > 1) {
    const [format] = rest.splice(0, 1);
    text = format.replace(/%([sdifoOc%])/g, (whole, kind) => {
      if (kind === "%") return "%";
      return rest.length === 0 ? whole : directive(kind, rest.shift());
    });
    if (rest.length === 0) return text;
    text += " ";
  }
  return text + rest.map((value) => inspected(value, true)).join(" ");
};

// console.table: as many rows, columns and characters of a cell as can be read.
const ROWS = 200;
const COLUMNS = 20;
const CELL_CHARACTERS = 60;
const cellText = (value) => {
  const text = inspected(value).replace(/\s*\n\s*/g, " ");
  return text.length > CELL_CHARACTERS ? text.slice(0, CELL_CHARACTERS - 1) + "…" : text;
};
const entriesOf = (data) => {
  if (data instanceof Map) return [...data.values()].map((value, i) => [String(i), value]);
  if (data instanceof Set) return [...data].map((value, i) => [String(i), value]);
  return Object.keys(data).map((key) => [key, data[key]]);
};
const tabulated = (data, wanted) => {
  if (typeof data !== "object" || data === null) return formatted([data]);
  const entries = entriesOf(data);
  const columns = new Set(Array.isArray(wanted) ? wanted.map(String) : []);
  const isRow = (value) => typeof value === "object" && value !== null && !(value instanceof Date) && !(value instanceof RegExp);
  let plain = false;
  for (const [, value] of entries.slice(0, ROWS)) {
    if (!isRow(value)) plain = true;
    else if (!Array.isArray(wanted)) for (const key of Object.keys(value)) if (columns.size < COLUMNS) columns.add(key);
  }
  const heads = ["(index)", ...columns, ...(plain ? ["Values"] : [])];
  const lines = entries.slice(0, ROWS).map(([index, value]) => [
    index,
    ...[...columns].map((name) => (isRow(value) && Object.hasOwn(value, name) ? cellText(value[name]) : "")),
    ...(plain ? [isRow(value) ? "" : cellText(value)] : [])
  ]);
  const widths = heads.map((head, i) => Math.max(head.length, ...lines.map((line) => line[i].length)));
  const bar = (left, middle, right) => left + widths.map((width) => "─".repeat(width + 2)).join(middle) + right;
  const row = (cells) => "│" + cells.map((cell, i) => " " + cell.padEnd(widths[i]) + " ").join("│") + "│";
  const all = [bar("┌", "┬", "┐"), row(heads), bar("├", "┼", "┤"), ...lines.map(row), bar("└", "┴", "┘")];
  if (entries.length > ROWS) all.push("… " + (entries.length - ROWS) + " more rows");
  return all.join("\n");
};

const counts = new Map();
const timers = new Map();
const nameOf = (label) => (label === undefined ? "default" : String(label));
const elapsed = (label, values) => {
  const began = timers.get(label);
  if (began === undefined) {
    tell("warn", () => "Timer '" + label + "' does not exist");
    return;
  }
  const took = label + ": " + (clock() - began).toFixed(3) + " ms";
  tell("log", () => (values.length === 0 ? took : took + " " + formatted(values)));
};
const heard = {
  assert(condition, ...values) {
    if (condition) return;
    if (typeof values[0] === "string") values[0] = "Assertion failed: " + values[0];
    else values.unshift("Assertion failed" + (values.length === 0 ? "" : ":"));
    tell("error", () => formatted(values));
  },
  clear() {
    depth = 0;
    tell("clear", () => "");
  },
  count(label) {
    const name = nameOf(label);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    tell("log", () => name + ": " + counts.get(name));
  },
  countReset(label) {
    if (!counts.delete(nameOf(label))) tell("warn", () => "Count for '" + nameOf(label) + "' does not exist");
  },
  dir(value) { tell("log", () => inspected(value)); },
  dirxml(...values) { tell("log", () => formatted(values)); },
  group(...values) {
    tell("log", () => (values.length === 0 ? "console.group" : formatted(values)));
    depth += 1;
  },
  groupEnd() { depth = Math.max(0, depth - 1); },
  table(data, wanted) { tell("log", () => tabulated(data, wanted)); },
  time(label) {
    const name = nameOf(label);
    if (timers.has(name)) tell("warn", () => "Timer '" + name + "' already exists");
    else timers.set(name, clock());
  },
  timeLog(label, ...values) { elapsed(nameOf(label), values); },
  timeEnd(label) {
    elapsed(nameOf(label), []);
    timers.delete(nameOf(label));
  },
  trace(...values) {
    const { stack } = new Error();
    tell("log", () => "Trace" + (values.length === 0 ? "" : ": " + formatted(values)) + "\n" + stackOf({ stack }).split("\n").slice(1).join("\n"));
  }
};
heard.groupCollapsed = heard.group;
for (const level of ["log", "info", "warn", "error", "debug"]) {
  heard[level] = (...values) => { if (values.length > 0) tell(level, () => formatted(values)); };
}
if (framed) {
  for (const name of Object.keys(heard)) {
    const own = console[name];
    console[name] = { [name](...values) {
      try { heard[name](...values); } catch {}
      return own?.apply(console, values);
    } }[name];
  }
}

const uncaught = (reason, before, where) => {
  const isError = reason instanceof Error || reason instanceof DOMException;
  const [head, ...stack] = (isError ? errorText(reason) : inspected(reason, true)).split("\n");
  const frames = isError && !(stack.length === 1 && stack[0].trim() === "at " + where.slice(2, -1)) ? stack : [];
  return before + (isError ? head : [head, ...stack].join("\n")) + where + (frames.length === 0 ? "" : "\n" + frames.join("\n"));
};
addEventListener("error", (event) => {
  if (!(event instanceof ErrorEvent)) return;
  const where = event.lineno > 0 ? " (" + place(event.filename, event.lineno, event.colno) + ")" : "";
  tell("error", () => (event.error === null || event.error === undefined ? event.message + where : uncaught(event.error, "Uncaught ", where)));
}, true);
addEventListener("unhandledrejection", (event) => {
  tell("error", () => uncaught(event.reason, "Uncaught (in promise) ", ""));
});
