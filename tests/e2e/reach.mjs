/**
 * What a page made by a program can reach: every road out that a browser has, tried to the end.
 *
 *     node reach.mjs <service url> <JSON: roads that must be open without the header>
 *
 * Each road is a page of its own, run by the service and opened twice: in a tab, and where the
 * playground frames it. Each leads to a port of its own, where somebody
 * listens on TCP and UDP. Then all of it again without the header `Connection-Allowlist`, as in a
 * browser that does not know it. Other roads lead to the service itself, past the page's own
 * files: somebody who passes all on stands before it then, and notes what came.
 * Prints one JSON object: by setting, the roads that arrived, and
 * what the page's own files came to. The pytest file beside this one calls it and judges.
 */
import { createSocket } from "node:dgram";
import * as http from "node:http";
import { connect, createServer } from "node:net";
import { launch } from "./chromium.mjs";

const [, , serviceUrl, mustArrive] = process.argv;
const MUST_ARRIVE = JSON.parse(mustArrive);
const SETTLE_MS = 4000;
/** For what must arrive, on a machine that has much else to do; what does not is missed by who judges. */
const PATIENCE_MS = 30_000;
const AT_ONCE = 6;
/** Chromium ends the process of a tab where this is tried in a frame: so it has a context to itself. */
const ENDS_ITS_TAB = new Set(["webrtc_in_a_frame_of_its_own"]);
const ALLOWLIST = "connection-allowlist";

/** Each is the body of a page; `to` is an HTTP address where nobody may hear of it. */
const ROADS = {
  webrtc: (to) => script(`
    const pc = new RTCPeerConnection({ iceServers: [{ urls: "stun:${new URL(to).host}" }] });
    pc.createDataChannel("d");
    pc.createOffer().then((offer) => pc.setLocalDescription(offer));`),
  webrtc_in_a_frame_of_its_own: (to) =>
    `<iframe srcdoc='${ROADS.webrtc(to)}'></iframe>`,
  meta_refresh: (to) => `<meta http-equiv="refresh" content="0;url=${to}">`,
  location: (to) => script(`location = "${to}?told"`),
  a_link_clicked: (to) => `<a href="${to}">x</a>${script('document.querySelector("a").click()')}`,
  a_ping: (to) => `<a href="#x" ping="${to}">x</a>${script('document.querySelector("a").click()')}`,
  a_window: (to) => script(`open("${to}")`),
  a_form: (to) => `<form action="${to}"></form>${script("document.forms[0].submit()")}`,
  a_frame: (to) => `<iframe src="${to}"></iframe>`,
  prefetch: (to) => `<link rel="prefetch" href="${to}">`,
  preconnect: (to) => `<link rel="preconnect" href="${to}" crossorigin>`,
  preload: (to) => `<link rel="preload" as="image" href="${to}">`,
  speculation: (to) => `<script type="speculationrules">{"prefetch":[{"source":"list","urls":["${to}"]}]}</script>`,
  fetch: (to) => script(`fetch("${to}", { mode: "no-cors" })`),
  beacon: (to) => script(`navigator.sendBeacon("${to}", "told")`),
  web_socket: (to) => script(`new WebSocket("${to.replace("http", "ws")}")`),
  event_source: (to) => script(`new EventSource("${to}")`),
  a_worker: (to) => script(`
    new Worker(URL.createObjectURL(new Blob(['fetch("${to}", { mode: "no-cors" })'])))`),
  a_worker_that_imports: (to) => script(worker(`importScripts("${to}")`)),
  a_worker_that_imports_a_module: (to) => script(`
    new Worker("data:text/javascript," + encodeURIComponent('import "${to}"'), { type: "module" })`),
  a_worker_from_data: (to) => script(`
    new Worker("data:text/javascript," + encodeURIComponent('fetch("${to}", { mode: "no-cors" }); importScripts("${to}")'))`),
  a_worker_of_a_worker: (to) => script(worker(
    `new Worker(URL.createObjectURL(new Blob(["fetch(" + JSON.stringify("${to}") + ", { mode: String(\\"no-cors\\") })"])))`)),
  a_socket_of_a_worker: (to) => script(worker(`new WebSocket("${to.replace("http", "ws")}"); new EventSource("${to}")`)),
  a_worker_elsewhere: (to) => script(`try { new Worker("${to}") } catch {} try { new SharedWorker("${to}") } catch {}`),
  a_shared_worker: (to) => script(`new SharedWorker(URL.createObjectURL(new Blob(['fetch("${to}", { mode: "no-cors" })'])))`),
  code_made_of_text: (to) => script(`eval('fetch("${to}", { mode: "no-cors" })'); new Function('import("${to}").catch(() => {})')()`),
  a_module: (to) => `<script type="module">import "${to}"</script>`,
  a_module_of_a_blob: (to) => script(`import(URL.createObjectURL(new Blob(['import "${to}"'], { type: "text/javascript" }))).catch(() => {})`),
  a_request_of_old: (to) => script(`const r = new XMLHttpRequest(); r.open("POST", "${to}", false); try { r.send("told") } catch {}`),
  a_request_that_stays_alive: (to) => script(`fetch("${to}", { mode: "no-cors", keepalive: true }); try { fetchLater("${to}", { activateAfter: 0 }) } catch {}`),
  web_transport: (to) => script(`new WebTransport("${to.replace("http", "https")}").ready.catch(() => {})`),
  a_download: (to) => `<a href="${to}?told" download="x">x</a>${script('document.querySelector("a").click()')}`,
  a_form_that_posts: (to) => `<form method="post" action="${to}"><input name="a" value="told"></form>${script("document.forms[0].requestSubmit()")}`,
  a_form_by_its_button: (to) => `<form><button formaction="${to}" formmethod="post">x</button></form>${script('document.querySelector("button").click()')}`,
  a_form_to_a_window: (to) => `<form action="${to}" target="_blank"></form>${script("document.forms[0].submit()")}`,
  a_form_of_a_dialog: (to) => `<dialog open><form method="dialog" action="${to}"><button>x</button></form></dialog>${script('document.querySelector("button").click()')}`,
  a_link_to_a_window: (to) => `<a href="${to}" target="_blank">x</a>${script('document.querySelector("a").click()')}`,
  the_window_above: (to) => script(`if (top !== window) top.location = "${to}"`),
  a_plug_in: (to) => `<object data="${to}"></object><embed src="${to}">`,
  a_medium: (to) => `<video src="${to}" poster="${to}" autoplay></video><audio src="${to}" preload="auto"></audio>`,
  a_font: (to) => `<style>@font-face { font-family: f; src: url("${to}") } p { font-family: f }</style><p>x</p>`,
  a_base: (to) => `<base href="${to}"><img src="x.png">`,
  a_manifest: (to) => `<link rel="manifest" href="${to}">`,
  image: (to) => `<img src="${to}">`,
  style: (to) => `<style>@import "${to}"; body { background: url("${to}") }</style>`,
  a_script: (to) => `<script src="${to}"></script>`,
};

/** The same for the service's own addresses; `to` adds to one who it was that asked. */
const TO_THE_SERVICE = {
  fetch: (to) => script(`fetch("${to("/healthz")}"); fetch("${to("/v1/languages")}", { credentials: "include" })`),
  fetch_unread: (to) => script(`fetch("${to("/healthz")}", { mode: "no-cors", credentials: "include" })`),
  execute: (to) => script(`for (const mode of ["cors", "no-cors"]) fetch("${to("/execute")}", { method: "POST", mode, credentials: "include",
    headers: mode === "cors" ? { "Content-Type": "application/json" } : {}, body: '{"language":"python","code":"print(1)"}' })`),
  execute_of_old: (to) => script(`const r = new XMLHttpRequest(); r.open("POST", "${to("/execute")}", false); r.withCredentials = true; try { r.send("{}") } catch {}`),
  execute_by_form: (to) => `<form method="post" enctype="text/plain" action="${to("/execute")}"><input name='{"code":"' value='"}'></form>${script("document.forms[0].submit()")}`,
  files_of_another_page: (to, other) => script(`fetch("${to(`/v1/executions/${other}/page/secret.txt`)}"); import("${to(`/v1/executions/${other}/page/secret.js`)}").catch(() => {})`),
  a_picture_of_another_page: (to, other) => `<img src="${to(`/v1/executions/${other}/page/secret.png`)}">`,
  a_result: (to, other) => script(`fetch("${to(`/v1/executions/${other}`)}"); new EventSource("${to(`/v1/executions/${other}/events`)}")`),
  a_stream: (to) => script(`new WebSocket("${to("/v1/executions/stream").replace("http", "ws")}")`),
  a_stream_of_its_own: (to, other) => script(`new WebSocket(new URL("stream", location.href).href.replace("http", "ws") + "?road=a_stream_of_its_own")`),
  a_beacon: (to) => script(`navigator.sendBeacon("${to("/execute")}", "{}")`),
  our_script: (to) => `<script src="${to("/assets/x.js")}"></script><link rel="stylesheet" href="${to("/assets/x.css")}">`,
  a_worker: (to) => script(worker(`fetch("${to("/healthz")}"); importScripts("${to("/healthz")}")`)),
  a_frame: (to) => `<iframe src="${to("/")}"></iframe><iframe src="${to("/docs")}"></iframe>`,
  up_by_dots: (to) => script(`for (const up of ["../../../../healthz", "%2e%2e/%2e%2e/%2e%2e/%2e%2e/healthz", "..\\\\..\\\\..\\\\..\\\\healthz"]) fetch(up + "?road=up_by_dots", { mode: "no-cors" })`),
};
/** What a page's own folder looks like, and what no proxy or server may make of it. */
const OWN = /^\/v1\/executions\/[A-Za-z0-9_-]+\/page\/(?!.*\.\.)/;

const worker = (text) => `new Worker(URL.createObjectURL(new Blob([${JSON.stringify(text)}])))`;

// Of a frame in a tab that was ended like that the driver hears late, and throws where nobody can catch it.
process.on("uncaughtException", (error) => {
  if (error.message === "Frame has been detached." && error.stack.includes("playwright-core")) return;
  console.error(error);
  process.exit(1);
});

function script(text) {
  return `<script>${text}</script>`;
}

/** Somebody who listens on one port, on TCP and UDP, and only counts. */
async function listener() {
  let heard = 0;
  let told = false;
  const server = createServer((socket) => {
    heard += 1;
    socket.on("error", () => {});
    socket.once("data", () => {
      told = true;
      socket.destroy();
    });
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address();
  const datagrams = createSocket("udp4");
  datagrams.on("message", () => (heard += 1));
  await new Promise((ready) => datagrams.bind(port, "127.0.0.1", ready));
  return {
    to: `http://127.0.0.1:${port}/`,
    heard: () => heard > 0,
    told: () => told,
    close() {
      server.close();
      datagrams.close();
    },
  };
}

async function run(files) {
  const answer = await fetch(new URL("/v1/executions", serviceUrl), {
    method: "POST",
    headers: { "Content-Type": "application/json", Prefer: "wait=10" },
    body: JSON.stringify({ language: "html", files, on_disconnect: "continue" }),
  });
  if (!answer.ok) throw new Error(`the service refused a page: ${answer.status} ${await answer.text()}`);
  const { id } = await answer.json();
  return new URL(`/v1/executions/${id}/page/`, serviceUrl).href;
}

const html = (body) => [{ path: "index.html", content: `<!doctype html><title>t</title><body>${body}` }];

async function openInTab(context, address) {
  const page = await context.newPage();
  await page.goto(address, { waitUntil: "commit" }).catch(() => {}); // it may be on its way elsewhere
}

/**
 * In a frame as the playground makes it: it goes on with a run, and its frame is copied, with all that the
 * playground says of it, for each page; so one tab, and the policy of its own, has many of them.
 */
async function openInFrame(context, address, name) {
  const { origin, pathname } = new URL(address);
  const id = pathname.split("/")[3];
  if (ENDS_ITS_TAB.has(name)) {
    await playground(context, origin, id).catch((error) => {
      if (!String(error).includes("crashed")) throw error;
    });
    return;
  }
  context.playground ??= playground(context, origin, id);
  const tab = await context.playground;
  await tab.evaluate((src) => {
    const copy = document.querySelector(".page iframe").cloneNode();
    copy.src = src;
    document.documentElement.append(copy);
  }, address);
}

async function playground(context, origin, id) {
  const tab = await context.newPage();
  await tab.addInitScript((kept) => {
    if (window.top === window) sessionStorage.setItem("vibecell.run", kept);
  }, JSON.stringify({ id, language: "html", seq: 0 }));
  await tab.goto(`${origin}/`, { waitUntil: "commit" });
  await tab.locator(".page iframe").waitFor();
  return tab;
}

/** One who stands before the service, passes on what comes, and notes it. */
async function before(service) {
  const asked = [];
  const { hostname, port } = new URL(service);
  const server = http.createServer((request, response) => {
    asked.push(request.url);
    const { method, url: path, headers } = request;
    const onward = http.request({ hostname, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  server.on("upgrade", (request, socket, head) => {
    asked.push(request.url);
    const lines = [`GET ${request.url} HTTP/1.1`];
    for (let i = 0; i < request.rawHeaders.length; i += 2) lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
    const onward = connect(port, hostname, () => {
      onward.write(`${lines.join("\r\n")}\r\n\r\n`);
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    for (const end of [socket, onward]) end.on("error", () => socket.destroy());
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${server.address().port}/`, asked, close: () => server.close(() => {}) };
}

async function atMost(ms, condition) {
  const end = Date.now() + ms;
  while (!condition() && Date.now() < end) await new Promise((done) => setTimeout(done, 50));
}

/** The roads to the service by which a page got past its own files. */
async function arrivedAtTheService(browser, open) {
  const door = await before(serviceUrl);
  const other = new URL(await run([...html("other"), { path: "secret.txt", content: "secret" }])).pathname.split("/")[3];
  const context = await browser.newContext();
  await some(
    Object.entries(TO_THE_SERVICE).map(([name, body]) => async () => {
      const to = (path) => new URL(`${path}?road=${name}`, door.url).href;
      const { pathname } = new URL(await run(html(body(to, other))));
      await open(context, new URL(pathname, door.url).href, name);
    }),
  );
  const pages = () => door.asked.filter((path) => OWN.test(path)).length;
  await atMost(PATIENCE_MS, () => pages() >= Object.keys(TO_THE_SERVICE).length);
  await new Promise((done) => setTimeout(done, SETTLE_MS));
  await context.close();
  door.close();
  const strayed = door.asked.filter((path) => path.includes("road=") && !OWN.test(path)).map((path) => path.split("road=")[1]);
  return { strayed: [...new Set(strayed)], pages: pages() };
}

/** What a name with an escaped slash comes to: it is within the policy, and no file of the page. */
async function upByEscapes(browser) {
  const tries = ["..%2f..%2f..%2f..%2fhealthz", "..%2f..%2fpage%2findex.html", "%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fhealthz", "..%5c..%5c..%5c..%5chealthz"];
  const page = await browser.newPage();
  await page.goto(await run(html("")), { waitUntil: "load" });
  return page.evaluate((names) => Promise.all(names.map(async (name) => (await fetch(name)).status)), tries);
}

/** Pages are opened some at a time, so that each has begun when the waiting begins. */
async function some(works) {
  const left = [...works];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let work = left.shift(); work !== undefined; work = left.shift()) await work();
    }),
  );
}

/** Where pages are opened; `strip`: as in a browser that does not know the header. */
async function contextFor(browser, strip) {
  const context = await browser.newContext();
  if (strip) {
    await context.route("**/page/**", async (route) => {
      const response = await route.fetch();
      const headers = response.headers();
      delete headers[ALLOWLIST];
      await route.fulfill({ response, headers });
    });
  }
  return context;
}

/** The names of the roads on which somebody heard of the page; a colon and "told": more than a connection. */
async function arrived(browser, open, strip) {
  const context = await contextFor(browser, strip);
  const apart = await contextFor(browser, strip); // contexts share no process
  const all = await Promise.all(
    Object.entries(ROADS).map(async ([name, body]) => ({ name, body, ear: await listener() })),
  );
  const opened = async ({ name, body, ear }) =>
    open(ENDS_ITS_TAB.has(name) ? apart : context, await run(html(body(ear.to))), name);
  await some(all.map((road) => () => opened(road)));
  if (strip) await atMost(PATIENCE_MS, () => all.every(({ name, ear }) => ear.heard() || !MUST_ARRIVE.includes(name)));
  await new Promise((done) => setTimeout(done, SETTLE_MS));
  await (await context.playground)?.evaluate(() => document.title); // it was there to the end
  await context.close();
  await apart.close();
  for (const { ear } of all) ear.close();
  return all.filter(({ ear }) => ear.heard()).map(({ name, ear }) => (ear.told() ? `${name}: told` : name));
}

/** What the files beside a page come to: they are its own, and must load. */
async function ownFiles(browser) {
  const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  const address = await run([
    {
      path: "index.html",
      content:
        '<!doctype html><title>t</title><link rel="stylesheet" href="own.css"><img src="own.png"><script src="own.js"></script>',
    },
    { path: "own.css", content: "body { margin-left: 7px }" },
    { path: "own.js", content: 'document.body.dataset.own = "ran"' },
    { path: "own.png", content_base64: pixel },
  ]);
  const page = await browser.newPage();
  await page.goto(address, { waitUntil: "load" });
  return page.evaluate(() => ({
    script: document.body.dataset.own ?? null,
    style: getComputedStyle(document.body).marginLeft,
    image: document.images[0].naturalWidth,
  }));
}

const browser = await launch();
try {
  // two at a time: most of it is waiting for what must not come
  const [tab, frame] = await Promise.all([arrived(browser, openInTab, false), arrived(browser, openInFrame, false)]);
  const [tabWithout, frameWithout] = await Promise.all([arrived(browser, openInTab, true), arrived(browser, openInFrame, true)]);
  const [fromTab, fromFrame] = await Promise.all([arrivedAtTheService(browser, openInTab), arrivedAtTheService(browser, openInFrame)]);
  const report = {
    roads: Object.keys(ROADS),
    service_roads: Object.keys(TO_THE_SERVICE),
    tab,
    frame,
    tab_without: tabWithout,
    frame_without: frameWithout,
    service_from_tab: fromTab,
    service_from_frame: fromFrame,
    up_by_escapes: await upByEscapes(browser),
    own_files: await ownFiles(browser),
  };
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
}
