/**
 * What a page of some origin can do with a service: everything a platform's page would, tried in order.
 *
 *     node origins.mjs <service url> <page url> <id of an execution that is a page>
 *
 * Prints one JSON object: by deed, what came of it as the page itself has seen it; `failed: …` where it
 * threw. The pytest file beside this one calls it and judges.
 */
import { join } from "./chromium.mjs";

const [, , serviceUrl, pageUrl, shownId] = process.argv;

/** Each runs in the page; `ask` posts JSON. */
const DEEDS = {
  execute: async ({ ask }) => {
    const answer = await ask("/execute", { language: "python", code: 'print("hi")' }, { "Idempotency-Key": crypto.randomUUID() });
    return [answer.status, (await answer.json()).output];
  },
  field_that_is_wrong: async ({ ask }) => {
    const answer = await ask("/execute", { language: "python", code: 'print("hi")', nonsense: 1 });
    return [answer.status, (await answer.json()).errors[0].path];
  },
  body_too_large: async ({ ask }) => {
    const answer = await ask("/execute", { language: "python", code: "#".repeat(2.5e6) });
    return [answer.status, (await answer.json()).title];
  },
  text_that_needs_no_preflight: async ({ url }) => {
    const answer = await fetch(`${url}/execute`, { method: "POST", body: JSON.stringify({ language: "python", code: 'print("unseen")' }) });
    return [answer.status, (await answer.json()).title];
  },
  not_to_be_read: async ({ url }) => {
    const sent = { method: "POST", mode: "no-cors", body: JSON.stringify({ language: "python", code: 'print("unseen")' }) };
    return (await fetch(`${url}/execute`, sent)).type;
  },
  form: async ({ url }) => {
    const frame = Object.assign(document.createElement("iframe"), { name: "sent" });
    const form = Object.assign(document.createElement("form"), { action: `${url}/execute`, method: "post", enctype: "text/plain", target: "sent" });
    form.append(Object.assign(document.createElement("input"), { name: '{"language":"python","code":"print(1)","x":"', value: '"}' }));
    document.body.append(frame, form);
    const loaded = new Promise((ready) => (frame.onload = ready));
    form.submit();
    await Promise.race([loaded, new Promise((ready) => setTimeout(ready, 5000))]);
    return "sent";
  },
  begin: async ({ ask }) => {
    const answer = await ask("/v1/executions", { language: "python", code: 'print("hi")' }, { Prefer: "wait=10" });
    const told = await answer.json();
    return [answer.status, told.state, answer.headers.get("Location").endsWith(told.id), answer.headers.get("Preference-Applied")];
  },
  stream: async ({ url, ask }) => {
    const { id } = await (await ask("/v1/executions", { language: "python", code: 'print("first")\nsleep(2)\nprint("second")' })).json();
    const answer = await fetch(`${url}/v1/executions/${id}/events`, { headers: { Accept: "text/event-stream", "Last-Event-ID": "0" } });
    let firstCameAlone = false;
    let text = "";
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      firstCameAlone ||= text.includes("first") && !text.includes("second");
    }
    return [answer.status, firstCameAlone, text.includes("event: finished")];
  },
  event_source: async ({ url, ask }) => {
    const { id } = await (await ask("/v1/executions", { language: "python", code: 'print("hi")' })).json();
    const source = new EventSource(`${url}/v1/executions/${id}/events`);
    return await new Promise((ready, fail) => {
      source.addEventListener("finished", (event) => (source.close(), ready(JSON.parse(event.data).result.verdict)));
      source.onerror = () => (source.close(), fail(new Error("no stream")));
    });
  },
  event_source_of_another: async ({ url, shown }) => {
    const source = new EventSource(`${url}/v1/executions/${shown}/events`);
    return await new Promise((ready, fail) => {
      source.addEventListener("finished", () => (source.close(), ready("read")));
      source.onerror = () => (source.close(), fail(new Error("no stream")));
    });
  },
  delete: async ({ url, shown }) => (await fetch(`${url}/v1/executions/${shown}`, { method: "DELETE" })).status,
  another_method: async ({ url, shown }) => (await fetch(`${url}/v1/executions/${shown}`, { method: "PUT" })).status,
  another_field: async ({ url }) => (await fetch(`${url}/v1/languages`, { headers: { "X-Other": "1" } })).status,
  languages: async ({ url }) => (await (await fetch(`${url}/v1/languages`)).json()).languages.length > 1,
  with_cookies: async ({ url }) => (await fetch(`${url}/v1/languages`, { credentials: "include" })).status,
  socket: async ({ url }) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/v1/executions/stream`);
    return await new Promise((ready, fail) => {
      socket.onopen = () => socket.send(JSON.stringify({ type: "execute", language: "python", code: 'print("hi")' }));
      socket.onerror = () => fail(new Error("no socket"));
      socket.onmessage = ({ data }) => {
        const told = JSON.parse(data);
        if (told.type === "finished") ready(told.result.verdict);
      };
    });
  },
  frame: async ({ url, shown }) => {
    const frame = Object.assign(document.createElement("iframe"), { src: `${url}/v1/executions/${shown}/page/` });
    frame.sandbox = "allow-scripts";
    const heard = new Promise((ready, fail) => {
      addEventListener("message", ({ data }) => data?.source === "vibecell-page" && ready(data.text));
      const nothing = () => fail(new Error("nothing was shown"));
      frame.onload = () => setTimeout(nothing, 2500); // of one that was refused, too
      setTimeout(nothing, 20_000);
    });
    document.body.append(frame);
    return await heard;
  },
  frame_of_the_playground: async ({ url }) => {
    const frame = Object.assign(document.createElement("iframe"), { src: `${url}/` });
    document.body.append(frame);
    await new Promise((ready) => (frame.onload = ready));
    return "loaded";
  },
  too_often: async ({ ask }) => {
    for (let n = 0; n < 100; n += 1) {
      const answer = await ask("/execute", { language: "python", code: 'print("hi")' });
      if (answer.status === 429) return [429, Number(answer.headers.get("Retry-After")) > 0, (await answer.json()).retry_after_s > 0];
    }
    return "never refused";
  },
};

const browser = await join();
try {
  const context = await browser.newContext();
  const tab = await context.newPage();
  const blocked = [];
  tab.on("console", (line) => line.text().includes("frame-ancestors") && blocked.push(line.text()));
  const report = {};
  for (const [name, deed] of Object.entries(DEEDS)) {
    await tab.goto(pageUrl);
    report[name] = await tab.evaluate(
      async ([text, url, shown]) => {
        const ask = (path, body, more) =>
          fetch(url + path, { method: "POST", headers: { "Content-Type": "application/json", ...more }, body: JSON.stringify(body) });
        try {
          return await (0, eval)(`(${text})`)({ url, ask, shown });
        } catch (error) {
          return `failed: ${error.message}`;
        }
      },
      [deed.toString(), serviceUrl, shownId],
    );
  }
  report.blocked_frames = blocked.length;
  await context.close();
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
}
