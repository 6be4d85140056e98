/**
 * What a person does with the page, done by a real browser.
 *
 *     node scenarios.mjs <service url> <scenario> <folder for pictures>
 *
 * The pytest file beside this one calls it and judges what it prints (person.mjs).
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { isRunning, open as openAt, perform, PHONE, runId, screen, until, untilScreen, verdict } from "./person.mjs";

const [, , serviceUrl, name, folder] = process.argv;
const open = (options) => openAt(serviceUrl, options);

const scenarios = {
  async output_appears_as_it_is_printed() {
    const page = await open({ code: 'import time\nprint("first line")\ntime.sleep(2)\nprint("last line")\n' });
    await page.click("button.run");
    await untilScreen(page, "first line");
    assert.ok(await isRunning(page), "the first line came only at the end");
    assert.ok(!(await screen(page)).includes("last line"));
    const end = await verdict(page);
    assert.equal(end.verdict, "accepted");
    assert.ok((await screen(page)).includes("last line"));
  },

  async a_line_typed_reaches_input() {
    const page = await open({ code: 'name = input("who? ")\nprint("hello", name)\n' });
    await page.click("button.run");
    await untilScreen(page, "who?");
    await page.keyboard.type("Ada Lovelace");
    await page.keyboard.press("Enter");
    await untilScreen(page, "hello Ada Lovelace");
    assert.equal((await verdict(page)).verdict, "accepted");
  },

  async end_of_input_by_button() {
    const page = await open({ code: 'import sys\nprint("ready")\nprint("got", repr(sys.stdin.read()))\n' });
    await page.click("button.run");
    await untilScreen(page, "ready");
    await page.locator(".lumen").click();
    await page.keyboard.type("abc");
    await page.keyboard.press("Enter");
    await page.click("button.eof");
    await untilScreen(page, "got 'abc\\n'");
    assert.equal((await verdict(page)).verdict, "accepted");
  },

  async control_c_interrupts() {
    const page = await open({
      code: 'import time\nprint("ready")\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print("interrupted")\n',
    });
    await page.click("button.run");
    await untilScreen(page, "ready");
    await page.keyboard.press("Control+c");
    await untilScreen(page, "interrupted");
    assert.equal((await verdict(page)).verdict, "accepted");
  },

  async stop_ends_the_run() {
    const page = await open({ code: 'import time\nprint("going")\nwhile True:\n    time.sleep(0.1)\n' });
    await page.click("button.run");
    await untilScreen(page, "going");
    await page.click("button.stop");
    const end = await verdict(page);
    assert.equal(end.verdict, "cancelled");
    assert.equal(end.words, "Stopped");
    await page.locator("button.run:enabled").waitFor();
    await page.locator("button.stop:disabled").waitFor();
    assert.ok((await screen(page)).includes("going"), "output before the stop is kept");
  },

  async verdict_exit_code_time_and_memory() {
    const page = await open({ code: 'import sys\nprint("failing")\nsys.exit(3)\n' });
    await page.click("button.run");
    const end = await verdict(page);
    assert.equal(end.verdict, "runtime_error");
    assert.equal(end.exitCode, "3");
    assert.match(end.time ?? "", /^[\d.]+ (ms|s)$/);
    assert.match(end.memory ?? "", /^[\d.]+ [KM]iB$/);
    return end;
  },

  async javascript_runs() {
    const page = await open({ language: "javascript", code: 'console.log("six times seven is", 6 * 7);\n' });
    await page.click("button.run");
    await untilScreen(page, "six times seven is 42");
    assert.equal((await verdict(page)).verdict, "accepted");
  },

  async bash_runs() {
    const page = await open({ language: "bash", code: 'for i in 1 2 3; do printf "%s " "n$i"; done; echo\n' });
    await page.click("button.run");
    await untilScreen(page, "n1 n2 n3");
  },

  async html_in_a_frame_beside_its_console() {
    const code = `<!doctype html><title>t</title><h1 id="h">Page</h1><script>
      let reach = "refused";
      try { reach = String(parent.document.title); } catch { /* as it should be */ }
      const store = String(sessionStorage.getItem("vibecell.run"));
      console.log("alive", reach, store);
      console.error("<b>not markup</b>");
    </script>`;
    const page = await open({ language: "html", code });
    await page.click("button.run");
    const frame = page.locator(".page iframe");
    await frame.waitFor();
    assert.equal(await frame.getAttribute("sandbox"), "allow-scripts allow-forms allow-modals allow-downloads");
    await page.frameLocator(".page iframe").locator("#h", { hasText: "Page" }).waitFor();
    await page.locator(".console-rows .log .message", { hasText: "alive refused null" }).waitFor();
    const hostile = page.locator(".console-rows .error .message");
    assert.equal(await hostile.innerText(), "<b>not markup</b>");
    assert.equal(await hostile.locator("b").count(), 0);
    // A message of the right shape from elsewhere than the frame is not shown.
    await page.evaluate(() => window.postMessage({ source: "vibecell-page", level: "log", text: "forged" }, "*"));
    await page.waitForTimeout(150);
    assert.equal(await page.locator(".console-rows li").count(), 2);
  },

  async a_reload_continues_the_same_run() {
    const page = await open({
      code: 'import time\nfor i in range(1, 13):\n    print(f"tick {i}.")\n    time.sleep(0.3)\nprint("end", input("answer? "))\n',
    });
    await page.click("button.run");
    await untilScreen(page, "tick 3.");
    const before = await runId(page);
    await page.reload();
    await untilScreen(page, "tick 1.");
    assert.ok(await isRunning(page), "the run did not go on");
    assert.equal(await runId(page), before);
    await untilScreen(page, "answer?");
    await page.locator(".lumen").click();
    await page.keyboard.type("yes");
    await page.keyboard.press("Enter");
    await untilScreen(page, "end yes");
    const text = await screen(page);
    for (let i = 1; i <= 12; i += 1) {
      assert.equal(text.split(`tick ${i}.`).length, 2, `tick ${i} exactly once`);
    }
    assert.equal((await verdict(page)).verdict, "accepted");
  },

  async control_enter_runs_from_the_editor() {
    const page = await open({ code: "" });
    await page.locator(".cm-content").click();
    await page.keyboard.type('print("by keyboard")');
    await page.keyboard.press("Control+Enter");
    await untilScreen(page, "by keyboard");
    await verdict(page);
    await until("focus is back in the editor", () => page.evaluate(() => document.activeElement?.classList.contains("cm-content")));
  },

  async the_keyboard_can_leave_the_editor() {
    const page = await open({ code: "x = 1\n" });
    await page.locator(".cm-content").click();
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => document.activeElement?.classList.contains("cm-content")), "Tab indents");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Tab");
    assert.ok(!(await page.evaluate(() => document.activeElement?.classList.contains("cm-content"))), "Escape, Tab leaves");
  },

  async code_is_kept_for_each_language() {
    const page = await open({ code: "" });
    await page.locator(".cm-content").click();
    await page.keyboard.type("# mine");
    await page.selectOption("select.language", "javascript");
    await page.locator(".cm-content").click();
    await page.keyboard.type("// other");
    await page.reload();
    await page.locator("button.run:enabled").waitFor();
    assert.equal(await page.locator("select.language").inputValue(), "javascript");
    assert.match(await page.locator(".cm-content").innerText(), /\/\/ other/);
    await page.selectOption("select.language", "python");
    assert.match(await page.locator(".cm-content").innerText(), /# mine/);
  },

  async each_language_is_coloured_by_its_own_grammar() {
    const page = await open();
    const toy = { name: "toy", display_name: "Toy", version: "1", aliases: [], entrypoint: "main.toy", mode: "exec", example: 'say "hello"', grammar: "toy" };
    await page.route("**/v1/languages", async (route) => {
      const offered = await (await route.fetch()).json();
      await route.fulfill({ json: { ...offered, languages: [...offered.languages, toy] } });
    });
    await page.reload();
    await page.locator("button.run:enabled").waitFor();
    const coloured = page.locator('.cm-content [class*="tok-"]');
    for (const language of ["python", "javascript", "html", "bash"]) {
      await page.selectOption("select.language", language);
      await until(`${language} in colours`, async () => (await coloured.count()) > 0);
    }
    await page.selectOption("select.language", "toy");
    await until("the toy's own example", async () => (await page.locator(".cm-content").innerText()) === toy.example);
    assert.equal(await coloured.count(), 0, "a language that the page has no grammar for is plain text");
  },

  async a_plot_is_shown() {
    const page = await open({
      code: 'import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()\nprint("drawn")\n',
    });
    await page.click("button.run");
    await page.locator(".gallery img").waitFor();
    await until("the picture is decoded", () => page.locator(".gallery img").evaluate((img) => img.naturalWidth > 50));
    assert.equal((await verdict(page)).verdict, "accepted");
    await page.screenshot({ path: join(folder, "plot.png") });
  },

  async a_file_left_behind_can_be_downloaded() {
    const page = await open({ code: 'open("left.txt", "w").write("still here")\n' });
    await page.click("button.run");
    const link = page.locator(".files a", { hasText: "left.txt" });
    await link.waitFor();
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    assert.equal(download.suggestedFilename(), "left.txt");
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    assert.equal(Buffer.concat(chunks).toString(), "still here");
  },

  async files_that_do_not_fit_are_told() {
    const page = await open({ code: 'for n in range(70): open(f"{n}.txt", "w").write("x")\n' });
    await page.click("button.run");
    await page.locator(".files .left-out", { hasText: "6 more files were left out" }).waitFor();
    await until("64 links", async () => (await page.locator(".files a").count()) === 64);
    await page.screenshot({ path: join(folder, "left-out.png") });
  },

  async a_file_is_shown_and_named_whatever_it_is_called() {
    const page = await open({
      code: [
        "import os",
        'for name in ("Bericht März.txt", "<b>x", "line\\nend", "\\u202egnp.exe", "👩\\u200d💻.txt"): open(name, "w").write("x")',
        'open("large.bin", "wb").write(bytes(5_000_000))',
        'os.symlink("x", "link\\x1b[2J")',
        "",
      ].join("\n"),
    });
    await page.click("button.run");
    for (const shown of ["Bericht März.txt", "<b>x", "line\\u{a}end", "\\u{202e}gnp.exe", "👩\u200d💻.txt"])
      await page.locator(".files .path", { hasText: shown }).waitFor();
    await page.locator(".files summary", { hasText: "2 more files were left out" }).click();
    await page.locator(".files li li", { hasText: "large.bin: 4.8 MiB, too large" }).waitFor();
    await page.locator(".files li li", { hasText: "link\\u{1b}[2J: no regular file" }).waitFor();
    assert.equal(await page.locator(".files b").count(), 0);
  },

  async output_is_never_markup() {
    const page = await open({
      code: 'print("<img src=x onerror=alert(1)><script>document.title=1</script>")\nprint("\\x1b]0;stolen\\x07after")\n',
    });
    await page.click("button.run");
    await untilScreen(page, "<img src=x onerror=alert(1)>");
    await verdict(page);
    assert.equal(await page.locator(".terminal img, .terminal script").count(), 0);
    assert.equal(await page.title(), "Vibecell");
  },

  async a_narrow_screen_scrolls_only_down() {
    const page = await open({ code: 'print("x" * 300)\n', ...PHONE });
    // Not innerWidth: a phone zooms out until what is too wide fits in it.
    const overflow = () => page.evaluate((width) => document.documentElement.scrollWidth - width, 390);
    await page.locator(".cm-content").waitFor();
    assert.ok((await overflow()) <= 0, "the code view is too wide");
    await page.click("button.run");
    assert.equal((await verdict(page)).verdict, "accepted");
    assert.ok(await page.locator(".lumen").isVisible(), "a run brings its output to the front");
    assert.ok((await overflow()) <= 0, "the output view is too wide");
    for (const selector of ["button.run", "button.stop", "#tab-code"]) {
      const box = await page.locator(selector).boundingBox();
      assert.ok(box && box.x >= 0 && box.x + box.width <= 390 && box.y + box.height <= 844, `${selector} is on the screen`);
    }
    await page.screenshot({ path: join(folder, "phone.png") });
    await page.click("#tab-code");
    await page.locator(".cm-content").waitFor();
  },

  async an_event_that_is_not_known_is_told() {
    const page = await open({ code: 'print("here")\n' });
    await page.routeWebSocket(/\/v1\/executions\/stream/, (client) => {
      const server = client.connectToServer();
      server.onMessage((text) => {
        const message = JSON.parse(text);
        if (message.seq === undefined) return client.send(text);
        if (message.seq === 1) client.send(JSON.stringify({ seq: 1, type: "rested", seconds: 3 }));
        return client.send(JSON.stringify({ ...message, seq: message.seq + 1 }));
      });
    });
    await page.click("button.run");
    await untilScreen(page, "here");
    assert.equal((await verdict(page)).verdict, "accepted");
    const words = await page.locator(".notice").innerText();
    assert.ok(words.includes('"rested"'), words);
    await page.screenshot({ path: join(folder, "unknown-event.png") });
    return words;
  },

  async what_a_run_uses_is_drawn() {
    const code = `import time
kept = []
for _ in range(8):
    kept.append(bytearray(12_000_000))
    end = time.process_time() + 0.15
    while time.process_time() < end:
        pass
    time.sleep(0.25)
print("used", len(kept))
`;
    const seen = {};
    for (const [name, options] of Object.entries({ desktop: { colorScheme: "light" }, phone: { ...PHONE, colorScheme: "dark" } })) {
      const page = await open({ code, ...options });
      const chart = page.locator(".chart");
      assert.ok(await chart.isHidden(), "nothing has run");
      await page.click("button.run");
      await until("both lines are drawn", async () => (await page.locator(".chart .line:visible").count()) === 2);
      assert.ok(await isRunning(page), "it came only at the end");
      await page.waitForTimeout(1200);
      await page.screenshot({ path: join(folder, `chart-${name}-running.png`) });
      await verdict(page);
      seen[name] = await page.getByRole("img", { name: /^Used while it ran: / }).getAttribute("aria-label");
      assert.match(seen[name], /^Used while it ran: cpu at most \d+ %, memory at most [\d.]+ MiB$/);
      await page.screenshot({ path: join(folder, `chart-${name}-ended.png`) });
      assert.deepEqual(await page.locator(".chart .name:visible").allInnerTexts(), ["cpu", "memory"], "nobody can tell which line is which");
      const tops = await page.locator(".fact").evaluateAll((facts) => facts.map((fact) => fact.offsetTop));
      const under = await page.locator(".badge").evaluate((badge) => badge.offsetTop + badge.offsetHeight);
      assert.ok(Math.min(...tops) >= under, "the facts have no row of their own");
      if (name === "desktop") assert.equal(new Set(tops).size, 1, "the lines push the facts into two rows");
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.ok(!wide, "it does not fit beside the verdict");
      if (name === "phone") continue;
      await page.click("button.clear");
      await chart.waitFor({ state: "hidden" });
    }
    return seen;
  },

  async dark_and_light() {
    const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const grounds = {};
    for (const colorScheme of ["dark", "light"]) {
      const page = await open({ code: 'print("\\x1b[32mgreen\\x1b[0m and plain")\n', colorScheme });
      await page.click("button.run");
      await verdict(page);
      await page.screenshot({ path: join(folder, `${colorScheme}.png`) });
      grounds[colorScheme] = await ground(page);
    }
    assert.notEqual(grounds.dark, grounds.light);
    const page = await open({ code: "", colorScheme: "dark" });
    await page.click("button.theme");
    assert.equal(await ground(page), grounds.light, "the person's choice wins over the system's");
    await page.reload();
    await page.locator("button.run:enabled").waitFor();
    assert.equal(await ground(page), grounds.light, "and is kept");
    return grounds;
  },
};

await perform(scenarios, name);
