/**
 * What a page made by a program can reach: every road out that a browser has, tried to the end.
 *
 *     node reach.mjs <service url>
 *
 * Each road is a page of its own, run by the service and opened twice: in a tab, and in a frame
 * of the playground as the playground frames it. Each leads to a port of its own, where somebody
 * listens on TCP and UDP. Then all of it again without the header `Connection-Allowlist`, as in a
 * browser that does not know it. Prints one JSON object: by setting, the roads that arrived, and
 * what the page's own files came to. The pytest file beside this one calls it and judges.
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { launch } from "./chromium.mjs";

const [, , serviceUrl] = process.argv;
const SETTLE_MS = 4000;
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
  image: (to) => `<img src="${to}">`,
  style: (to) => `<style>@import "${to}"; body { background: url("${to}") }</style>`,
  a_script: (to) => `<script src="${to}"></script>`,
};

function script(text) {
  return `<script>${text}</script>`;
}

/** Somebody who listens on one port, on TCP and UDP, and only counts. */
async function listener() {
  let heard = 0;
  const server = createServer((socket) => {
    heard += 1;
    socket.on("error", () => {});
    socket.destroy();
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address();
  const datagrams = createSocket("udp4");
  datagrams.on("message", () => (heard += 1));
  await new Promise((ready) => datagrams.bind(port, "127.0.0.1", ready));
  return {
    to: `http://127.0.0.1:${port}/`,
    heard: () => heard > 0,
    close() {
      server.close();
      datagrams.close();
    },
  };
}

async function run(files) {
  const answer = await fetch(new URL("/execute", serviceUrl), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ language: "html", files }),
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

async function openInFrame(context, address) {
  const page = await context.newPage();
  await page.goto(serviceUrl, { waitUntil: "commit" });
  await page.evaluate((src) => {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts");
    frame.src = src;
    document.documentElement.append(frame);
  }, address);
}

/** The names of the roads on which somebody heard of the page. */
async function arrived(browser, open, strip) {
  const context = await browser.newContext();
  if (strip) {
    await context.route("**/page/**", async (route) => {
      const response = await route.fetch();
      const headers = response.headers();
      delete headers[ALLOWLIST];
      await route.fulfill({ response, headers });
    });
  }
  const all = await Promise.all(
    Object.entries(ROADS).map(async ([name, body]) => ({ name, body, ear: await listener() })),
  );
  await Promise.all(all.map(async ({ body, ear }) => open(context, await run(html(body(ear.to))))));
  await new Promise((done) => setTimeout(done, SETTLE_MS));
  await context.close();
  for (const { ear } of all) ear.close();
  return all.filter(({ ear }) => ear.heard()).map(({ name }) => name);
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
  const report = {
    roads: Object.keys(ROADS),
    tab: await arrived(browser, openInTab, false),
    frame: await arrived(browser, openInFrame, false),
    tab_without: await arrived(browser, openInTab, true),
    frame_without: await arrived(browser, openInFrame, true),
    own_files: await ownFiles(browser),
  };
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
}
