/**
 * The page where things are not as they should be: a slow or broken connection, a small window,
 * a wrong key, a second tab, a person who does not see it.
 *
 *     node conditions.mjs <service url> <scenario> <folder for pictures> [<JSON: key, gateway, engine>]
 *
 * The pytest file beside this one calls it and judges what it prints (person.mjs).
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { browser, isRunning, look, open as openAt, perform, PHONE, runId, screen, until, untilScreen, verdict, visit as visitAt, wanted } from "./person.mjs";
import { Wire } from "./wire.mjs";

const [, , serviceUrl, name, folder, more = "{}"] = process.argv;
const { key, gateway, engine } = JSON.parse(more);
const open = (options) => openAt(serviceUrl, options);
const visit = (options) => visitAt(serviceUrl, options);
const picture = (page, called) => page.screenshot({ path: join(folder, `${called}.png`) });
const code = (page) => page.evaluate(() => document.querySelector(".cm-content")?.cmTile?.view?.state.doc.toString() ?? [...document.querySelectorAll(".cm-line")].map((line) => line.textContent).join("\n"));
const notice = (page) => page.locator(".notice").innerText();
const once = (text, part) => assert.equal(text.split(part).length, 2, `"${part}" exactly once in:\n${text}`);

/** Holds back the files of the page that match, until the promise that it returns is called. */
async function heldBack(page, pattern) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await page.route(pattern, async (route) => {
    await released;
    await route.continue().catch(() => {}); // the window was closed meanwhile
  });
  return release;
}

/** Prints 40 numbered lines within two seconds, then asks. */
const TICKS = `import time
for i in range(1, 41):
    print(f"tick {i}.")
    time.sleep(0.05)
print("end", input("answer? "))
`;

async function ticksAndAnswerOnce(page, answer) {
  await untilScreen(page, `end ${answer}`);
  assert.equal((await verdict(page)).verdict, "accepted");
  const log = page.getByRole("log");
  await log.getByText(`end ${answer}`).waitFor({ state: "attached" });
  const text = (await log.locator("p").allTextContents()).join("\n");
  for (let i = 1; i <= 40; i += 1) once(text, `tick ${i}.`);
  once(text, `end ${answer}`);
}

async function typeInTerminal(page, text) {
  await page.locator(".lumen").click();
  await page.keyboard.type(text);
}

/** What goes over a page's live connections from now on: how many events of a kind, and all that was typed. */
function overheard(page) {
  const events = [];
  let typed = "";
  page.on("websocket", (socket) => {
    socket.on("framereceived", ({ payload }) => events.push(JSON.parse(payload).type));
    socket.on("framesent", ({ payload }) => {
      const control = JSON.parse(payload);
      if (control.type === "stdin") typed += control.data;
    });
  });
  return { received: (type) => events.filter((each) => each === type).length, typed: () => typed };
}

const scenarios = {
  async a_program_is_typed_before_the_editor_is_there() {
    let release;
    const page = await visit({ code: "", prepare: async (page) => (release = await heldBack(page, /assets\/(codemirror|editor-library)/)) });
    const plain = page.locator("textarea.plain");
    await plain.waitFor();
    await plain.click();
    await page.keyboard.type('print("early", 1)\nprint("X")', { delay: 5 });
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    const typing = page.keyboard.type("abcdefghijklmnopqrstuvwxyz0123456789".repeat(2), { delay: 15 });
    release();
    await typing;
    await page.locator(".cm-content").waitFor();
    assert.equal(await plain.count(), 0, "the plain field is gone");
    await page.keyboard.type("!");
    const expected = `print("early", 1)\nprint("X${"abcdefghijklmnopqrstuvwxyz0123456789".repeat(2)}!")`;
    assert.equal(await code(page), expected);
    await page.keyboard.press("Control+Enter");
    await untilScreen(page, "early 1");
  },

  async a_program_runs_before_editor_and_terminal_are_there() {
    let release;
    const page = await visit({ code: 'print("hello", input("who? "))\n', prepare: async (page) => (release = await heldBack(page, /assets\/(codemirror|editor-library|terminal-library)/)) });
    await page.locator("button.run:enabled").click();
    await page.locator(".transcript", { hasText: "who?" }).waitFor({ state: "attached" });
    await page.keyboard.type("Adx");
    await page.keyboard.press("Backspace");
    await page.keyboard.type("a");
    await page.keyboard.press("Enter");
    assert.equal((await verdict(page)).verdict, "accepted");
    release();
    await untilScreen(page, "hello Ada");
    once(await screen(page), "who?");
  },

  async a_terminal_that_cannot_be_loaded_leaves_plain_text() {
    const page = await open({ code: 'print("\\x1b[31mred\\x1b[0m words")\n', prepare: (page) => page.route(/assets\/terminal-library.*js/, (route) => route.abort()) });
    await page.click("button.run");
    await verdict(page);
    await page.locator(".is-plain .transcript", { hasText: "red words" }).waitFor();
    assert.match(await notice(page), /could not be loaded.*Load the page again/);
    await picture(page, "plain-text");
  },

  async the_page_is_not_fetched_twice() {
    const page = await open({ code: "" });
    const whole = () => Promise.all([page.locator(".cm-content").waitFor(), page.locator(".xterm-screen").waitFor({ state: "attached" })]);
    await whole();
    await page.reload();
    await whole();
    const sizes = await page.evaluate(() => performance.getEntriesByType("resource").filter((x) => x.name.includes("/assets/")).map((x) => [x.name, x.transferSize]));
    assert.ok(sizes.some(([file]) => file.includes("terminal-library")), "all of it was looked at");
    for (const [file, bytes] of sizes) assert.equal(bytes, 0, `${file} came from the network again`);
  },

  async output_has_room_in_any_window() {
    const program = `import matplotlib.pyplot as plt
plt.plot([1, 4, 9])
plt.show()
for n in range(12): open(f"file-{n}.txt", "w").write("x")
print("seen")
raise RuntimeError("long " * 60)
`;
    const page = await open({ code: program });
    await page.click("button.run");
    await verdict(page);
    await page.locator(".gallery img").waitFor();
    const seen = {};
    for (const [width, height] of [[1280, 800], [667, 375], [320, 568], [320, 256], [640, 400], [640, 200], [390, 400], [1280, 200], [844, 340]]) {
      await page.setViewportSize({ width, height });
      await page.waitForTimeout(120);
      if (await page.locator("#tab-output").isVisible()) await page.click("#tab-output");
      const box = await page.locator(".lumen").boundingBox();
      seen[`${width}x${height}`] = box && [Math.round(box.width), Math.round(box.height)];
      assert.ok(box && box.height >= 64 && box.width >= 140, `${width}x${height}: output has ${JSON.stringify(box)}`);
      assert.ok(box.y >= 0 && box.y + box.height <= height, `${width}x${height}: output is on the screen: ${JSON.stringify(box)}`);
      const strip = await page.locator(".strip .badge").boundingBox();
      assert.ok(strip && strip.y + strip.height <= height, `${width}x${height}: how it ended is on the screen: ${JSON.stringify(strip)}`);
      const row = page.locator(".xterm-rows > div").first();
      await until(`a line drawn at ${width}x${height}`, async () => ((await row.boundingBox())?.height ?? 0) > 8);
      for (const control of ["button.run", "button.stop"]) {
        const place = await page.locator(control).boundingBox();
        assert.ok(place && place.x >= 0 && place.x + place.width <= width + 0.5, `${width}x${height}: ${control} is on the screen`);
      }
      const wide = await page.evaluate((width) => document.documentElement.scrollWidth - width, width);
      assert.ok(wide <= 0, `${width}x${height}: scrolls sideways`);
      await picture(page, `room-${width}x${height}`);
    }
    return seen;
  },

  async a_screen_reader_has_the_output() {
    const page = await open({
      code: `import sys, time
print("\\x1b[1;31mred\\x1b[0m \\x1b]0;title\\x07and \\x1b]8;;http://example.org\\x1b\\\\link\\x1b]8;;\\x1b\\\\")
for i in range(50):
    sys.stdout.write(f"\\r{i * 2} %")
    sys.stdout.flush()
    time.sleep(0.02)
print("\\rdone  ")
print("x" * 5000)
print("<b>no markup</b> \\x9b31mC1\\x9b0m")
print("typo\\b\\b\\bhree")
for i in range(20000): print("flood", i)
print("answer", input("question? "))
`,
    });
    await page.click("button.run");
    const log = page.getByRole("log", { name: "Output as text" });
    await log.getByText("question?").waitFor({ state: "attached" });
    const lines = await log.locator("p").allTextContents();
    for (const line of ["red and link", "done  ", "<b>no markup</b> C1", "three"]) assert.ok(lines.includes(line) || lines.some((x) => x.includes("not read out")), `${line} in ${lines.slice(0, 9)}`);
    assert.ok(lines.some((line) => /^\d+ lines were not read out\.$/.test(line)), "a flood is cut short");
    assert.ok(lines.includes("flood 19999"), "its end is told");
    assert.ok(lines.length <= 300 && lines.every((line) => line.length <= 1000), "what is kept is bounded");
    assert.ok(!/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(lines.join("")), "no escape sequences");
    await typeInTerminal(page, "yes\r");
    await log.getByText("answer yes").waitFor({ state: "attached" });
    assert.equal(await log.getAttribute("aria-live"), "polite");
    await page.click("button.clear");
    assert.equal(await log.locator("p").count(), 0);
  },

  async lines_are_told_as_they_look() {
    const page = await open({
      code: `print("\\x1b[1;31mred\\x1b[0m \\x1b]0;title\\x07and \\x1b]8;;http://example.org\\x1b\\\\link\\x1b]8;;\\x1b\\\\")
print("10 %\\r20 %\\rdone")
print("<b>no markup</b> \\x9b31mC1\\x9b0m \\x1bP1$r\\x1b\\\\after")
print("typo\\b\\b\\bhree")
print("x" * 5000)
print("half \\x1b[3", end="", flush=True)
print("1mcoloured\\x1b[0m")
import sys
print("to stderr", file=sys.stderr)
`,
    });
    await page.click("button.run");
    await verdict(page);
    const log = page.getByRole("log");
    await log.getByText("to stderr").waitFor({ state: "attached" });
    const lines = await log.locator("p").allTextContents();
    assert.deepEqual(lines.filter((line) => line !== "to stderr"), ["red and link", "done", "<b>no markup</b> C1 after", "three", "x".repeat(1000), "half coloured"]);
  },

  async nothing_stands_in_the_way_of_assistive_technology() {
    const axe = readFileSync(createRequire(new URL("../../web/package.json", import.meta.url)).resolve("axe-core/axe.min.js"), "utf8");
    const looked = {};
    const check = async (page, called) => {
      await page.evaluate(axe);
      // A colour on its way to another is neither.
      await page.evaluate(() => Promise.all(document.getAnimations().filter((x) => x instanceof CSSTransition).map((x) => x.finished)));
      const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      assert.ok(passes.length > 15, "something was looked at");
      looked[called] = passes.length;
      const bad = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      assert.deepEqual(bad.map(({ id, nodes }) => [called, id, nodes.map((x) => `${x.html} ${x.failureSummary}`)]), []);
    };
    for (const [called, options] of Object.entries({ light: { colorScheme: "light" }, dark: { colorScheme: "dark" }, phone: PHONE })) {
      const page = await open({ code: 'import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n# a comment\nopen("left.txt", "w").write("x")\nprint("\\x1b[32mgreen\\x1b[0m")\nraise ValueError(1)\n', ...options });
      await page.locator('.cm-content [class*="tok-"]').first().waitFor();
      await check(page, `${called}, idle`);
      await page.click("button.run");
      await verdict(page);
      await page.locator(".gallery img").waitFor();
      await check(page, `${called}, after a run`);
      await picture(page, `axe-${called}`);
    }
    return looked;
  },

  async the_keyboard_reaches_everything() {
    const page = await open({ code: 'open("left.txt", "w").write("x")\nprint(1)\n' });
    await page.click("button.run");
    await verdict(page);
    await page.evaluate(() => document.activeElement.blur());
    const reached = [];
    for (let i = 0; i < 40; i += 1) {
      await page.keyboard.press("Escape"); // which lets Tab leave the editor, and does no harm elsewhere
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const element = document.activeElement;
        const mark = (x) => getComputedStyle(x).outlineStyle !== "none" || getComputedStyle(x).boxShadow !== "none";
        const seen = mark(element) || mark(element.closest(".editor, .lumen") ?? element);
        return { name: element.getAttribute("aria-label") ?? element.textContent.trim(), seen, body: element === document.body };
      });
      if (at.name === reached[0]) break;
      if (at.body) continue; // past the last one
      assert.ok(at.seen, `the focus on "${at.name}" can be seen`);
      reached.push(at.name);
    }
    for (const wanted of [/^Run/, /^Colours/, /^Language/, /example/i, /Python program/, /^Width of the editor/, /^Clear/, /^Terminal/, /left\.txt/]) {
      assert.ok(reached.some((at) => wanted.test(at)), `${wanted} among ${reached.join(" | ")}`);
    }
    return reached;
  },

  async nothing_moves_for_who_asked_for_that() {
    const page = await open({ code: 'input("? ")\n', reducedMotion: "reduce" });
    await page.click("button.run");
    await untilScreen(page, "?");
    assert.ok(await isRunning(page));
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    await page.click("button.stop");
  },

  async a_lost_connection_comes_back_with_nothing_lost_or_twice() {
    const wire = await Wire.to(serviceUrl);
    const page = await openAt(wire.url, { code: TICKS });
    await page.click("button.run");
    await untilScreen(page, "tick 5.");
    wire.cut();
    await page.locator(".notice", { hasText: "Connection lost" }).waitFor();
    await typeInTerminal(page, "typed while away");
    await picture(page, "connection-lost");
    await page.waitForTimeout(800);
    wire.mend();
    await page.locator(".notice", { hasText: "Nothing was lost" }).waitFor();
    await page.keyboard.press("Enter");
    await ticksAndAnswerOnce(page, "typed while away");
    wire.close();
  },

  async who_is_offline_is_told_and_goes_on_afterwards() {
    const page = await open({ code: TICKS });
    await page.click("button.run");
    await untilScreen(page, "tick 5.");
    await page.context().setOffline(true);
    await page.locator(".notice", { hasText: "You are offline" }).waitFor();
    await typeInTerminal(page, "back\r");
    await page.context().setOffline(false);
    await ticksAndAnswerOnce(page, "back");
  },

  async a_connection_that_is_away_too_long_is_told() {
    const wire = await Wire.to(serviceUrl);
    const page = await openAt(wire.url, { code: 'print("asks")\nprint("got", input())\n' });
    await page.click("button.run");
    await untilScreen(page, "asks");
    wire.cut();
    await page.locator(".notice", { hasText: "Connection lost" }).waitFor();
    const id = await runId(page);
    await until("the server has stopped the run", async () => (await (await fetch(new URL(`v1/executions/${id}`, serviceUrl))).json()).state === "finished");
    wire.mend();
    const end = await verdict(page);
    assert.equal(end.verdict, "cancelled");
    assert.equal(await notice(page), "", "nothing is said to be well");
    assert.match(end.text, /connection was away for too long/);
    assert.ok((await screen(page)).includes("asks"), "its output stays");
    await picture(page, "away-too-long");
    wire.close();
  },

  async a_table_is_a_table_and_never_more() {
    wanted.push(/Executing inline event handler/); // already where it is parsed, a handler is stopped
    const hostile = `<!doctype html><p>words <b>bold</b><script>document.title = "x"</script><img src=x onerror="document.title = 'y'"><a href="javascript:1" onclick="1">link</a><style>*{display:none}</style><iframe src="/"></iframe><table onmouseover="1" style="position:fixed"><tr><td colspan="2" id="h">cell</td></tr></table><svg><script>1</script></svg><form action="/"><input><button>b</button></form>`;
    const page = await open({
      code: `import pandas as pd
from vibecell_display import display
display({"text/html": pd.DataFrame({"name": ["Ada", "Grace"], "born": [1815, 1906]})._repr_html_(), "text/plain": "no"})
display({"text/html": ${JSON.stringify(hostile)}})
display({"text/plain": "only <i>text</i>"})
`,
    });
    await page.click("button.run");
    await page.locator(".card pre", { hasText: "only <i>text</i>" }).waitFor();
    await page.locator(".card").first().locator("td", { hasText: "Grace" }).waitFor();
    const made = await page.locator(".card").nth(1).innerHTML();
    assert.equal(made, '<p>words <b>bold</b>link</p><table><tbody><tr><td colspan="2">cell</td></tr></tbody></table>b');
    assert.equal(await page.title(), "Vibecell");
    await verdict(page);
    await picture(page, "tables");
  },

  async live_connections_that_are_held_back_are_told() {
    const page = await open({ code: "print(1)\n" });
    await page.evaluate(() => {
      window.WebSocket = class extends WebSocket {
        constructor(url) {
          super(url.toString().replace("/v1/", "/nowhere/"));
        }
      };
    });
    await page.click("button.run");
    const end = await verdict(page);
    assert.equal(end.verdict, "refused");
    assert.match(end.text, /holds back live connections.*Your program is kept/);
    await page.locator("button.run:enabled").waitFor();
  },

  async input_of_which_nothing_was_heard_is_told() {
    const wire = await Wire.to(serviceUrl);
    const page = await openAt(wire.url, { code: 'import getpass\nprint("got", len(getpass.getpass("secret? ")))\n' });
    const live = overheard(page);
    await page.click("button.run");
    await untilScreen(page, "secret?");
    await typeInTerminal(page, "hush");
    await until("it is sent", () => live.typed() === "hush");
    // What a run uses is told without its doing anything: no sign that it got what was typed.
    const before = live.received("usage");
    await until("what it uses is told again", () => live.received("usage") > before);
    wire.cut();
    await page.locator(".notice", { hasText: "Connection lost" }).waitFor();
    wire.mend();
    await page.locator(".notice", { hasText: "The last 4 characters you typed" }).waitFor();
    assert.ok(!(await page.locator("vibe-cell").innerText()).includes("hush"), "what it was is not shown");
    await page.click("button.stop");
    wire.close();
  },

  async a_gateway_that_is_started_again_in_the_middle_loses_nothing() {
    const page = await open({ code: TICKS });
    await page.click("button.run");
    await untilScreen(page, "tick 5.");
    process.kill(gateway, "SIGKILL");
    await page.locator(".notice", { hasText: "Connection lost" }).waitFor();
    await typeInTerminal(page, "survived\r");
    await page.locator(".notice", { hasText: "Connected again" }).waitFor();
    await ticksAndAnswerOnce(page, "survived");
  },

  async a_server_that_forgot_the_run_is_told_with_what_was_typed() {
    const page = await open({ code: 'print("asks")\nprint("got", input())\n' });
    await page.click("button.run");
    await untilScreen(page, "asks");
    process.kill(gateway, "SIGKILL");
    process.kill(engine, "SIGKILL");
    await page.locator(".notice", { hasText: "Connection lost" }).waitFor();
    await typeInTerminal(page, "in vain");
    const end = await verdict(page);
    assert.match(end.text, /does not know this run any more|was lost|failed/);
    await picture(page, "forgotten");
    assert.ok((await screen(page)).includes("asks"), "its output stays");
    assert.match(await notice(page), /The last 7 characters you typed did not reach the program/);
    assert.match(await code(page), /print\("asks"\)/);
    await page.locator("button.run:enabled").waitFor();
    return end.text;
  },

  async a_wrong_key_is_explained_where_it_can_be_mended() {
    const page = await visit({ code: 'print("let in")\n' });
    const field = page.locator(".ask").getByLabel("API key", { exact: true });
    await field.waitFor();
    await page.locator(".ask .why:not(.wrong)", { hasText: "401" }).waitFor(); // he has done nothing wrong yet
    await field.fill(key.slice(0, -1));
    await page.getByRole("button", { name: "Use key" }).click();
    const why = page.locator(".ask .why.wrong", { hasText: "does not know this key (401)" });
    await why.waitFor();
    assert.equal(await field.inputValue(), key.slice(0, -1), "what was typed is kept, to be mended");
    assert.equal(await field.getAttribute("aria-invalid"), "true");
    await picture(page, "wrong-key");
    await field.fill(`${key.slice(0, -1)}/`);
    await page.keyboard.press("Enter");
    await page.locator(".ask .why", { hasText: "has a “/” in it" }).waitFor();
    await field.fill(key);
    await page.keyboard.press("Enter");
    await page.locator("button.run:enabled").waitFor();
    assert.equal(await page.locator(".ask").count(), 0);
    await page.click("button.run");
    await untilScreen(page, "let in");
    // And a key that is taken back, or mistyped later, is explained as well.
    await page.getByRole("button", { name: "API key" }).click();
    await field.fill("another-one-that-nobody-knows");
    await page.getByRole("button", { name: "Use key" }).click();
    await why.waitFor();
    await page.getByRole("button", { name: "Not now" }).click();
    await page.click("button.run");
    assert.equal((await verdict(page)).verdict, "accepted", "the key that is known is kept");
  },

  async a_token_opens_the_page_as_a_key_does() {
    const answer = await fetch(new URL("v1/tokens", serviceUrl), {
      method: "POST",
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ user: "ann" }),
    });
    const { token } = await answer.json();
    const page = await visit({ code: 'print("let in")\n' });
    await page.locator(".ask").getByLabel("API key", { exact: true }).fill(token);
    await page.keyboard.press("Enter");
    await page.locator("button.run:enabled").waitFor();
    await page.click("button.run");
    await untilScreen(page, "let in");
    assert.equal((await verdict(page)).verdict, "accepted");
  },

  async a_refused_run_says_when_to_come_again() {
    const enter = async (page) => {
      await page.locator(".ask").getByLabel("API key", { exact: true }).fill(key);
      await page.keyboard.press("Enter");
      await page.locator("button.run:enabled").waitFor();
      await page.click("button.run");
    };
    const first = await visit({ code: 'print("begun", flush=True)\ninput()\n' });
    await enter(first);
    await untilScreen(first, "begun");
    const second = await visit({ code: "print(2)\n" });
    await enter(second);
    const end = await verdict(second);
    assert.equal(end.verdict, "refused");
    assert.match(end.text, /Try again in 1 s/);
    await picture(second, "refused");
    await first.click("button.stop");
    await verdict(first);
    await second.click("button.run");
    assert.equal((await verdict(second)).verdict, "accepted");
  },

  async too_many_wrong_keys_say_when_to_come_again() {
    const page = await visit({ code: "print(1)\n" });
    const field = page.locator(".ask").getByLabel("API key", { exact: true });
    await field.waitFor();
    for (let i = 0; i < 12; i += 1) {
      await field.fill(`a-wrong-key-number-${i}`);
      await page.keyboard.press("Enter");
      await page.locator(".ask button.run:enabled").waitFor();
      if ((await page.locator(".ask .why").innerText()).includes("429")) break;
    }
    assert.match(await page.locator(".ask .why").innerText(), /\(429\).*until \d/);
    await picture(page, "too-many-keys");
    await field.fill(key);
    await page.keyboard.press("Enter");
    await page.locator("button.run:enabled").waitFor();
  },

  async the_time_until_its_turn_counts_down() {
    const sleeping = (seconds) => `import time\ntime.sleep(${seconds})\n`;
    const first = await open({ code: sleeping(5) });
    await first.locator("button.run").click(); // by its time the next one's is estimated
    assert.equal((await verdict(first)).verdict, "accepted");
    const page = await open({ code: "print('my turn')\n" });
    const holder = await open({ code: sleeping(25) });
    await holder.locator("button.run").click();
    await until("the place is taken", async () => (await holder.locator(".strip .words").innerText()) === "Running");
    // what is drawn, and what is said: all of it, as it changes
    await page.evaluate(() => {
      const shown = (window.shown = []);
      const said = (window.said = []);
      const elapsed = document.querySelector(".strip .elapsed");
      const words = document.querySelector(".strip .verdict");
      const strip = document.querySelector(".strip");
      const waits = () => words.textContent.startsWith("Waiting");
      new MutationObserver(() => waits() && said.push(words.textContent)).observe(words, { childList: true, characterData: true, subtree: true });
      new MutationObserver(() => waits() && shown.push({ text: elapsed.textContent, height: strip.clientHeight, left: words.getBoundingClientRect().left })).observe(elapsed, { childList: true, characterData: true });
      window.hushed = elapsed.closest("[aria-live], [role=status]") === null && elapsed.getAttribute("aria-hidden") === "true";
    });
    await page.locator("button.run").click();
    const estimates = () => page.evaluate(() => window.shown.map(({ text }) => text).filter((text) => text !== ""));
    await until("an estimate", async () => (await estimates()).length > 0);
    await picture(page, "waiting");
    await until("about 1 s", async () => (await estimates()).at(-1) === "about 1 s");
    await untilScreen(page, "my turn");
    const { shown, said, hushed } = await page.evaluate(() => ({ shown: window.shown, said: window.said, hushed: window.hushed }));
    assert.ok(hushed, "what counts down is not read aloud");
    const seconds = (await estimates()).map((text) => Number(/^about (\d+) s$/.exec(text)?.[1]));
    assert.ok(new Set(seconds).size > 3, `it counts: ${seconds}`);
    assert.ok(Math.min(...seconds) === 1, `never below a second: ${seconds}`);
    const rises = seconds.filter((value, at) => at > 0 && value > seconds[at - 1]).length;
    assert.ok(rises < said.length, `it goes up by news of the service alone: ${seconds}; ${said}`);
    assert.ok(said.length < new Set(seconds).size, `it is not said each second: ${said}`);
    assert.match(said[0], /^Waiting for a place, next in line.*about \d+ s/);
    for (const what of ["height", "left"]) assert.equal(new Set(shown.map((each) => each[what])).size, 1, `nothing moves: ${JSON.stringify(shown)}`);
    assert.equal((await verdict(page)).verdict, "accepted");
  },

  async two_tabs_keep_their_own_programs() {
    const one = await open({ code: "" });
    const context = one.context();
    const other = await context.newPage();
    await look(other, serviceUrl);
    await other.locator("button.run:enabled").waitFor();
    for (const page of [one, other]) await page.locator(".cm-content").waitFor();
    const write = async (page, text) => {
      await page.bringToFront();
      await page.locator(".cm-content").click();
      await page.keyboard.press("Control+a");
      await page.keyboard.type(text);
    };
    await write(one, "first = 1");
    await write(other, "second = 2");
    await write(one, "first = 11");
    for (const [page, text] of [[one, "first = 11"], [other, "second = 2"]]) {
      await page.reload();
      await page.locator(".cm-content").waitFor();
      assert.equal(await code(page), text, "each tab has its own after a reload");
    }
    const [duplicate] = await Promise.all([context.waitForEvent("page"), one.evaluate(() => void window.open(location.href))]);
    await duplicate.locator(".cm-content").waitFor();
    assert.equal(await code(duplicate), "first = 11");
    await write(duplicate, "third = 3");
    await one.reload();
    await one.locator(".cm-content").waitFor();
    assert.equal(await code(one), "first = 11", "a duplicated tab goes its own way");
    await one.close();
    await other.close();
    const fresh = await context.newPage();
    await look(fresh, serviceUrl);
    await fresh.locator("button.run:enabled").waitFor();
    await fresh.locator(".cm-content").waitFor();
    assert.equal(await code(fresh), "third = 3", "a new tab begins with the last one of any");
    const offered = await fresh.locator("select.example optgroup option").allTextContents();
    for (const text of ["first = 11", "second = 2"]) assert.ok(offered.includes(text), `${text} can be had again: ${offered}`);
    await fresh.selectOption("select.example", { label: "second = 2" });
    assert.equal(await code(fresh), "second = 2");
  },

  async a_tab_takes_nothing_from_another_of_which_it_has_not_heard_yet() {
    const written = async (page, text) => {
      await page.bringToFront();
      await page.locator(".cm-content").click();
      await page.keyboard.press("Control+a");
      await page.keyboard.type(text);
      await until(`${text} is kept`, () => page.evaluate((text) => sessionStorage.getItem("vibecell.code.python") === text, text));
    };
    const one = await open({ code: "" });
    const other = await one.context().newPage();
    await look(other, serviceUrl);
    for (const page of [one, other]) await page.locator(".cm-content").waitFor();
    await written(one, "first = 1");
    // Browsers tell a tab late what others wrote; here it is told of nothing more.
    await one.evaluate(() => {
      const known = { ...localStorage };
      const kept = window.localStorage;
      const getItem = (name) => known[name] ?? null;
      const setItem = (name, value) => (kept.setItem(name, value), void (known[name] = value));
      const removeItem = (name) => (kept.removeItem(name), void delete known[name]);
      const view = Object.create({ getItem, setItem, removeItem });
      Object.defineProperty(window, "localStorage", { get: () => Object.assign(Object.create(Object.getPrototypeOf(view)), known) });
    });
    await written(other, "second = 2");
    await written(one, "first = 11");
    const fresh = await one.context().newPage();
    await look(fresh, serviceUrl);
    await fresh.locator(".cm-content").waitFor();
    const offered = fresh.locator("select.example optgroup option", { hasText: "second = 2" });
    await until("the other's program", async () => (await offered.count()) === 1);
    assert.equal(await code(fresh), "first = 11");
  },

  async only_the_latest_of_many_tabs_programs_are_kept() {
    const page = await open({ code: "" });
    await page.locator(".cm-content").waitFor();
    const kept = () => page.evaluate(() => Object.keys(localStorage).filter((name) => name.startsWith("vibecell.draft.python.")).sort());
    await page.evaluate(() => {
      for (let n = 0; n < 20; n++) localStorage.setItem(`vibecell.draft.python.t${n}`, JSON.stringify({ code: `n = ${n}`, at: 1000 + n }));
    });
    await page.locator(".cm-content").click();
    await page.keyboard.type("mine = 1");
    await until("six are left", async () => (await kept()).length === 6);
    const names = (await kept()).map((name) => name.split(".").at(-1));
    for (const tab of ["t15", "t16", "t17", "t18", "t19"]) assert.ok(names.includes(tab), `${tab} is one of ${names}`);
  },
};

await perform(scenarios, name);
