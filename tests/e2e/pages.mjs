/**
 * What a page made by a program can do, as it would on a person's own machine.
 *
 *     node pages.mjs <service url> <folder for pictures> [<names of the only pages to open>]
 *
 * Each page below is run by the service and opened twice: in a tab of its own, and where the
 * playground frames it, beside its console. A page says what came of it in `done(text)`.
 * Prints one JSON object: by place and name what each said, and the lines of the console.
 * The pytest file beside this one calls it and judges.
 */
import { join } from "node:path";
import { launch } from "./chromium.mjs";

const [, , serviceUrl, folder, only] = process.argv;
// The tests' own proxy has a certificate that nobody trusts.
if (serviceUrl.startsWith("https://localhost:")) process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
const PATIENCE_MS = 20_000;
const AT_ONCE = 4;
const DONE = "const done = (text) => { document.body.dataset.done = String(text) };";
const WASM = "AGFzbQEAAAABBwFgAn9/AX8DAgEABwcBA2FkZAAACgkBBwAgACABagsACgRuYW1lAgMBAAA="; // add(i32, i32)
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"; // red

const doc = (body) => `<!doctype html><html lang="en"><title>t</title><body>${body}`;
const page = (script, ...files) => [{ path: "index.html", content: doc(`<script>${DONE}\n${script}</script>`) }, ...files];
const text = (path, content) => ({ path, content });

/** What is asked of a page of one script, one after the other; each is the body of a function. */
const ASKS = {
  a_json_file_is_fetched: `return (await (await fetch("data/items.json")).json()).length`,
  a_file_that_was_not_sent_is_a_404: `const a = await fetch("nowhere.json"); return a.status + " " + a.ok`,
  a_request_with_headers_and_credentials: `
    const how = { headers: { "Content-Type": "application/json", "X-Mine": "1" }, credentials: "include", mode: "same-origin" };
    return (await fetch("data/items.json", how)).text()`,
  a_file_by_xml_http_request: `
    const r = new XMLHttpRequest(); r.open("GET", "a.csv"); r.withCredentials = true; r.responseType = "text"; r.send();
    await new Promise((ready) => (r.onloadend = ready)); return r.status + " " + r.responseText + " " + r.getResponseHeader("content-type")`,
  wasm_is_compiled_as_it_comes: `
    const { instance } = await WebAssembly.instantiateStreaming(fetch("add.wasm")); return instance.exports.add(2, 3)`,
  pixels_of_its_own_picture_are_read: `
    const image = new Image(); image.src = "red.png"; await image.decode();
    const canvas = document.createElement("canvas").getContext("2d"); canvas.drawImage(image, 0, 0);
    return canvas.getImageData(0, 0, 1, 1).data.join()`,
  a_worker_from_its_own_file: `const w = new Worker("work/w.js"); w.postMessage(20); return answerOf(w)`,
  a_worker_that_is_a_module: `
    const w = new Worker(new URL("work/w.mjs", document.baseURI), { type: "module" }); w.postMessage("x"); return answerOf(w)`,
  a_worker_that_is_a_module_from_a_blob: `
    return answerOf(new Worker(URL.createObjectURL(new Blob(["postMessage('é' + import.meta.url.slice(0, 5))"])), { type: "module" }))`,
  a_worker_from_a_blob: `
    const w = new Worker(URL.createObjectURL(new Blob(["onmessage = (e) => postMessage(eval(e.data))"]))); w.postMessage("6*7"); return answerOf(w)`,
  errors_of_a_worker_have_lines: `
    const w = new Worker("work/wrong.js");
    return new Promise((ready) => (w.onerror = (e) => ready(e.message + " " + e.lineno + " " + e.filename.split("/").pop())))`,
  eval_and_new_function: `return eval("1+1") + new Function("a", "return a + 1")(2)`,
  local_storage: `
    localStorage.setItem("a", 1); localStorage.b = { toString: () => "two" }; sessionStorage["c"] = 3; delete localStorage.none;
    return [localStorage.getItem("a"), localStorage.b, localStorage.length, localStorage.key(1), localStorage.getItem("none"), "b" in localStorage,
      Object.keys(localStorage), JSON.stringify(localStorage), localStorage instanceof Storage, sessionStorage.length, localStorage.none].join("|")`,
  storage_is_bounded: `
    localStorage.clear(); try { localStorage.setItem("a", "x".repeat(6e6)) } catch (error) { return error.name + " " + localStorage.length }`,
  cookies: `
    document.cookie = "a=1; path=/; SameSite=Lax"; document.cookie = "b=2; max-age=3600"; document.cookie = "a=3";
    document.cookie = "gone=1; expires=Thu, 01 Jan 1970 00:00:00 GMT"; document.cookie = "b=; Max-Age=0"; return document.cookie`,
  what_it_cannot_have_is_not_there: `return ["serviceWorker" in navigator, "caches" in window, "indexedDB" in window].join()`,
  history_is_pushed: `
    history.pushState({ n: 1 }, "", "/about"); history.replaceState({ n: 2 }, "", "?q=1"); history.pushState({ n: 3 }, "", "#here");
    const back = new Promise((ready) => addEventListener("popstate", (e) => ready(e.state.n), { once: true }));
    const before = history.state.n + location.hash; history.back(); return before + " " + (await back)`,
  history_of_another_origin_is_refused: `try { history.pushState({}, "", "https://example.com/") } catch (error) { return error.name }`,
  messages_of_a_tab_are_its_own: `
    let heard = 0; addEventListener("message", () => (heard += 1)); console.log("x"); await new Promise((r) => setTimeout(r, 100)); return heard`,
};
const ASKED_FILES = [
  text("data/items.json", "[1,2,3]"),
  text("a.csv", "x,y"),
  { path: "add.wasm", content_base64: WASM },
  { path: "red.png", content_base64: PIXEL },
  text("work/w.js", `"use strict"; importScripts("twice.js"); onmessage = async (e) => {
    const more = await (await fetch("more.json")).json(); postMessage(twice(e.data) + more + " " + location.pathname.split("/").pop()) }`),
  text("work/twice.js", "function twice(n) { return 2 * n }"),
  text("work/more.json", "2"),
  text("work/w.mjs", `import { y } from "./y.js"; onmessage = async (e) => postMessage(e.data + y + (await (await fetch("z.txt")).text()))`),
  text("work/y.js", "export const y = 'y'"),
  text("work/z.txt", "z"),
  text("work/wrong.js", "// one\n// two\nnothing.here"),
];

/** Pages that need a document of their own. */
const PAGES = {
  asked: page(
    `const answerOf = (w) => new Promise((ready, fail) => { w.onmessage = (e) => ready(e.data); w.onerror = (e) => fail(new Error(e.message)) });
     (async () => { const said = {}; const asks = { ${Object.entries(ASKS).map(([name, body]) => `${name}: async () => { ${body} }`).join(",\n")} };
     for (const name in asks) try { said[name] = String(await asks[name]()) } catch (error) { said[name] = "failed: " + error.name + " " + error.message }
     done(JSON.stringify(said)) })()`,
    ...ASKED_FILES,
  ),
  pixels_of_a_picture_in_the_document: [
    text("index.html", doc(`<img id="i" src="red.png"><script>${DONE}
      addEventListener("load", () => { try { const c = document.createElement("canvas").getContext("2d"); c.drawImage(i, 0, 0);
      done(c.getImageData(0, 0, 1, 1).data.join()) } catch (error) { done(error.name) } })</script>`)),
    { path: "red.png", content_base64: PIXEL },
  ],
  modules_import_each_other_and_json: [
    text("index.html", doc(`<script type="module">${DONE} import { greet } from "./js/greet.mjs"; import d from "./d.json" with { type: "json" };
      const { late } = await import("./js/late.js"); done(greet(d.name) + late)</script>`)),
    text("js/greet.mjs", `import { mark } from "./mark.js"; export const greet = (name) => "Hi " + name + mark`),
    text("js/mark.js", `export const mark = "!"`),
    text("js/late.js", `export const late = "?"`),
    text("d.json", `{"name": "Mo"}`),
  ],
  a_form_is_handled: page(
    `document.body.insertAdjacentHTML("beforeend", "<form><input name=t value=milk required><button>Add</button></form>");
     document.forms[0].onsubmit = (e) => { e.preventDefault(); done("added " + new FormData(e.target).get("t")) };
     document.querySelector("button").click()`,
  ),
  a_dialog_element_closes_by_its_form: page(
    `document.body.insertAdjacentHTML("beforeend", "<dialog><form method=dialog><button value=yes>Yes</button></form></dialog>");
     const d = document.querySelector("dialog"); d.onclose = () => done(d.returnValue); d.showModal(); d.querySelector("button").click()`,
  ),
  dialogs_are_shown: page(`alert("a"); const sure = confirm("sure?"); done(sure + " " + prompt("name?"))`),
  css_brings_its_style_sheets_and_fonts: [
    text("index.html", doc(`<link rel="stylesheet" href="css/own.css"><p>x</p><script>${DONE}
      addEventListener("load", () => done(getComputedStyle(document.querySelector("p")).marginLeft))</script>`)),
    text("css/own.css", `@import "more%2Eof.css"; p { color: red }`),
    text("css/more.of.css", "p { margin-left: 9px }"),
  ],
  a_link_leads_to_another_of_its_pages: [
    text("index.html", doc(`<a href="sub/two.html">2</a><script>document.querySelector("a").click()</script>`)),
    text("sub/two.html", doc(`<script>${DONE} fetch("../x.txt").then((a) => a.text()).then(done)</script>`)),
    text("x.txt", "from two"),
  ],
};

/** Those for which it makes a difference who frames them. */
const FRAMED = ["asked", "modules_import_each_other_and_json", "a_form_is_handled", "dialogs_are_shown", "a_link_leads_to_another_of_its_pages"];

/** Pages whose console is looked at: file by file, so that lines and names can be told. */
const CONSOLES = {
  formats: [
    text("index.html", doc(`<script>console.log("before"); console.clear();
console.log("%s is %d of %i, %f and %o %O%c!", "six", 6.7, "42px", "1.5x", [1, "a"], { b: 2 }, "color: red", "more", 3);
console.log({ a: 1, b: [1, 2, { c: "x" }], f() {}, n: null, u: undefined, g: 10n });
const cycle = { name: "c" }; cycle.self = cycle; console.log(cycle);
console.log(new Map([["k", { v: 1 }]]), new Set([1, "two"]), new Date(0), /x/g, Symbol("s"), -0, NaN);
console.log(document.createElement("b"), new Uint8Array(3), class Foo {}, Object.create(null), new (class Bar { x = 1 })());
console.log("100%", "50% done %s");
console.log([1, , 3], "line\\nbreak", ["q'"], { get lazy() { throw 1 } });
console.debug("debugged"); console.info("informed"); console.warn("warned"); console.error("erred");
console.table([{ n: "a", v: 1 }, { n: "b", v: 22 }]); console.table([[1, 2], "s"]); console.table([{ a: 1, b: 2 }], ["b"]); console.table(5);
console.group("outer"); console.log("in\\nside"); console.groupCollapsed(); console.log("deep"); console.groupEnd(); console.groupEnd(); console.log("out");
console.count(); console.count("c"); console.count(); console.countReset(); console.count(); console.countReset("none");
console.assert(true, "no"); console.assert(false, "because %s", "x"); console.assert(false); console.dir({ d: 1 });
console.time("t"); console.timeLog("t", "extra"); console.timeEnd("t"); console.timeEnd("t");
console.trace("here");
console.log(new Proxy({}, { ownKeys() { throw 1 } }));
console.log("x".repeat(1e6)); console.log(Array(1e6).fill(7)); console.log("end");
</script>`)),
  ],
  errors: [
    text("index.html", `<!doctype html>
<title>t</title>
<script>
function broken() { nothing.here }
setTimeout(() => broken());
Promise.reject(new TypeError("rejected"));
Promise.reject("a text");
try { null.x } catch (error) { console.error(error) }
</script>
<script>
const a = ;
</script>
<script src="js/own.js"></script>
<script type="module" src="js/module.js"></script>
<script>document.head.append(Object.assign(document.createElement("script"), { src: "js/late.js" }))</script>
`),
    text("js/own.js", "// one\n// two\n  throw new RangeError('of the file')"),
    text("js/module.js", "\nthrow new Error('of the module')"),
    text("js/late.js", "\n\n\nthrow new Error('of the late one')"),
  ],
  not_loaded: [
    text("index.html", doc(`<img src="gone.png"><script src="https://cdn.example/lib.js"></script><img src="words.png">
<script src="/assets/x.js"></script>
<script>fetch("https://api.example/x").catch(() => {}); document.body.insertAdjacentHTML("beforeend", "<form action='/execute'><button>b</button></form>"); document.querySelector("button").click()</script>`)),
    text("words.png", "no picture"),
  ],
  too_much: [text("index.html", doc(`<script>for (let i = 0; i < 3000; i += 1) console.log("line", i); console.log("last")</script>`))],
  forged: [
    text("index.html", doc(`<script>const send = (m) => parent.postMessage(m, "*");
      send({ source: "vibecell-page", level: "log onclick=alert(1)", text: "<img src=x onerror=alert(1)>" });
      send({ source: "vibecell-page", level: "__proto__", text: { toString: 1 } }); send({ source: "vibecell-page", level: ["log"], text: "x" });
      send({ source: "vibecell-page" }); send(null); send("vibecell-page"); send({ source: "vibecell-page", level: "info", text: "y".repeat(1e6) });</script>`)),
  ],
};
/** By page, how many rows it has when it has said all; of more they are looked at when they stay as they are. */
const ROWS = { formats: 37, errors: 8, not_loaded: 6, too_much: 2, forged: 2 };
const FLOODS = {
  a_flood_of_the_right_shape: `const go = () => { for (let i = 0; i < 500; i += 1) parent.postMessage({ source: "vibecell-page", level: "clear", text: "" }, "*"); setTimeout(go) }; go()`,
  a_flood_of_a_frame_within: `document.body.innerHTML = "<iframe srcdoc='<script>const go = () => { for (let i = 0; i < 500; i += 1) top.postMessage(1, String.fromCharCode(42)); setTimeout(go) }; go()<\\/script>'></iframe>"`,
};

async function run(files) {
  const answer = await fetch(new URL("v1/executions", serviceUrl), {
    method: "POST",
    headers: { "Content-Type": "application/json", Prefer: "wait=10" },
    body: JSON.stringify({ language: "html", files, on_disconnect: "continue" }),
  });
  const told = await answer.json();
  if (!answer.ok || told.result?.verdict !== "accepted") throw new Error(`the service refused a page: ${JSON.stringify(told)}`);
  return told.id;
}

const CONTEXT = { viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: true };

async function newPage(context) {
  const tab = await context.newPage();
  tab.on("dialog", (dialog) => dialog.accept(dialog.type() === "prompt" ? "typed" : undefined));
  return tab;
}

/** Opens the playground of a tab that had run this page: it frames it as it always does. */
async function resume(tab, id) {
  await tab.addInitScript((kept) => {
    if (window.top === window) sessionStorage.setItem("vibecell.run", kept);
  }, JSON.stringify({ id, language: "html", seq: 0 }));
  await tab.goto(serviceUrl);
}

async function frameOf(tab, id) {
  await resume(tab, id);
  await tab.locator(".page iframe").waitFor();
  return tab.frameLocator(".page iframe");
}

async function said(context, files, framed) {
  const id = await run(files);
  const tab = await newPage(context);
  try {
    let where = tab;
    if (framed) where = await frameOf(tab, id);
    else await tab.goto(new URL(`v1/executions/${id}/page/`, serviceUrl).href, { waitUntil: "commit" });
    const end = where.locator("body[data-done]");
    await end.waitFor({ state: "attached", timeout: PATIENCE_MS });
    return await end.getAttribute("data-done");
  } catch (error) {
    return `nothing: ${error.message.split("\n")[0]}`;
  } finally {
    await tab.close();
  }
}

const rowsOf = (tab) =>
  tab.locator(".console-rows li").evaluateAll((rows) => rows.map((row) => [row.querySelector(".level").textContent, row.querySelector(".message").textContent, row.className]));

async function consoleOf(context, files, least) {
  const tab = await newPage(context);
  await frameOf(tab, await run(files));
  // what does not come in this time is missed by who judges the rows
  await tab.locator(".console-rows li").nth(least - 1).waitFor({ timeout: PATIENCE_MS }).catch(() => {});
  let rows = await rowsOf(tab);
  for (let quiet = 0; quiet < 4; ) {
    await tab.waitForTimeout(250);
    const now = await rowsOf(tab);
    quiet = now.length === rows.length ? quiet + 1 : 0;
    rows = now;
  }
  const count = await tab.locator(".console-count").innerText();
  const foreign = await tab.locator(".console-rows .message *").count();
  await tab.close();
  return { rows, count, foreign };
}

/** Whether the playground goes on answering, and what it says, while a page does nothing but send. */
async function flooded(context, script) {
  const tab = await newPage(context);
  await resume(tab, await run([text("index.html", doc(`<script>${script}</script>`))]));
  const told = tab.locator(".console-rows .error", { hasText: "was stopped" });
  await told.waitFor({ timeout: PATIENCE_MS * 2 }).catch(() => {});
  const framesLeft = await tab.locator(".page iframe").count();
  await tab.locator("select.language").selectOption("python");
  const goesOn = await tab.locator("select.language").inputValue();
  const stopped = (await told.count()) === 1;
  await tab.close();
  return { stopped, framesLeft, goesOn };
}

async function downloaded(context, framed) {
  const script = `const a = document.createElement("a"); a.download = "made.txt"; a.href = URL.createObjectURL(new Blob(["made here"])); document.body.append(a); a.click()`;
  const id = await run([text("index.html", doc(`<script>${script}</script>`))]);
  const tab = await newPage(context);
  const coming = tab.waitForEvent("download", { timeout: PATIENCE_MS }).catch(() => null);
  if (framed) await frameOf(tab, id);
  else await tab.goto(new URL(`v1/executions/${id}/page/`, serviceUrl).href, { waitUntil: "commit" });
  const download = await coming;
  const name = download?.suggestedFilename() ?? "none";
  await tab.close();
  return name;
}

async function pictures(browser) {
  const files = [text("index.html", `<!doctype html><meta name="viewport" content="width=device-width"><style>body{font-family:sans-serif;margin:1.5rem}</style>
<h1>Shopping</h1><form><input name="t" value="milk" required> <button>Add</button></form><ul></ul><dialog><p>Added.</p><form method="dialog"><button>OK</button></form></dialog><script>
document.forms[0].onsubmit = (e) => { e.preventDefault(); document.querySelector("ul").innerHTML += "<li>milk"; document.querySelector("dialog").show();
console.log("added %s", "milk"); console.table([{ item: "milk", n: 1 }, { item: "bread", n: 2 }]); console.warn({ stock: 2 }); missing.call() };
document.querySelector("button").click()</script>`)];
  const sizes = { desktop: { viewport: { width: 1280, height: 800 } }, phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 } };
  for (const [name, options] of Object.entries(sizes)) {
    const context = await browser.newContext(options);
    const tab = await context.newPage();
    await frameOf(tab, await run(files));
    await tab.locator(".console-rows .error").first().waitFor();
    await tab.screenshot({ path: join(folder, `page-${name}.png`) });
    await context.close();
  }
}

async function all(names, work) {
  const left = [...names];
  const report = {};
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let name = left.shift(); name !== undefined; name = left.shift()) report[name] = await work(name);
    }),
  );
  return report;
}

const browser = await launch();
try {
  const context = await browser.newContext(CONTEXT);
  const pages = only === undefined ? Object.keys(PAGES) : only.split(",");
  const report = {
    tab: await all(pages, (name) => said(context, PAGES[name], false)),
    frame: await all(FRAMED.filter((name) => pages.includes(name)), (name) => said(context, PAGES[name], true)),
  };
  if (only === undefined) {
    report.downloads = [await downloaded(context, false), await downloaded(context, true)];
    report.consoles = await all(Object.keys(CONSOLES), (name) => consoleOf(context, CONSOLES[name], ROWS[name]));
    report.floods = await all(Object.keys(FLOODS), (name) => flooded(context, FLOODS[name]));
    await pictures(browser);
  }
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
}
