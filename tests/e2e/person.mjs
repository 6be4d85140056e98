/**
 * What a person does with the page, in words: opens it, reads the screen, waits for a verdict.
 *
 * Owns the one way in which a scenario is performed and told: perform() prints one JSON object,
 * {ok, error, foreign, violations, seen}, which the pytest files judge, and ends the process.
 */
import assert from "node:assert/strict";
import { join } from "./chromium.mjs";

/** For one step of a person's; a machine that has much else to do takes long for it. */
export const TIMEOUT_MS = 30_000;
export const DESKTOP = { viewport: { width: 1440, height: 900 } };
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

export const browser = await join();
const origins = new Set();
const foreign = [];
const violations = [];
/** Breaches of the page's policy that a scenario wants to see stopped: patterns of what the browser says of them. */
export const wanted = [];

function watch(page) {
  const check = (url) => {
    const { protocol, host } = new URL(url);
    if (!["data:", "blob:", "about:"].includes(protocol) && !origins.has(host)) foreign.push(url);
  };
  page.on("request", (request) => check(request.url()));
  page.on("websocket", (socket) => check(socket.url()));
  page.on("pageerror", (error) => violations.push(String(error)));
  page.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) violations.push(message.text());
  });
}

/** Opens the page in a browser window of its own, and does not wait for it. */
export async function visit(url, { language = "python", code = null, prepare = null, ...options } = {}) {
  const context = await browser.newContext({ ...DESKTOP, ...options });
  const page = await context.newPage();
  await look(page, url, { language, code, prepare });
  return page;
}

/** The same in a window that is there; the program is in the editor as if written there before. */
export async function look(page, url, { language = "python", code = null, prepare = null } = {}) {
  origins.add(new URL(url).host);
  page.setDefaultTimeout(TIMEOUT_MS);
  watch(page);
  if (code !== null) {
    await page.addInitScript(
      ([language, code]) => {
        if (window.top !== window || sessionStorage.getItem("test.prepared")) return;
        sessionStorage.setItem("test.prepared", "yes");
        localStorage.setItem("vibecell.language", language);
        localStorage.setItem(`vibecell.code.${language}`, code);
      },
      [language, code],
    );
  }
  if (prepare !== null) await prepare(page);
  await page.goto(url, { waitUntil: "commit" });
}

/** Opens the page and waits until the server has said what it runs. */
export async function open(url, options) {
  const page = await visit(url, options);
  await page.locator("button.run:enabled").waitFor();
  return page;
}

export const screen = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll(".xterm-rows > div")]
      .map((row) => (row.textContent ?? "").replaceAll("\u00a0", " ").trimEnd())
      .join("\n")
      .trimEnd(),
  );

export async function until(what, condition) {
  const end = Date.now() + TIMEOUT_MS;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > end) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

export const untilScreen = (page, text) =>
  until(`"${text}" on the screen`, async () => (await screen(page)).includes(text)).catch(async (error) => {
    throw new Error(`${error.message}; the screen was:\n${await screen(page)}\nstrip: ${await page.locator(".strip").innerText()}`);
  });

export async function verdict(page) {
  const badge = page.locator(".badge[data-verdict]");
  await badge.waitFor();
  const fact = async (name) => {
    const value = page.locator(`.fact.${name} dd`);
    return (await value.count()) > 0 ? value.innerText() : null;
  };
  return {
    verdict: await badge.getAttribute("data-verdict"),
    words: await badge.innerText(),
    exitCode: await fact("exit-code"),
    time: await fact("time"),
    memory: await fact("memory"),
    text: await page.locator(".strip").innerText(),
  };
}

export const isRunning = (page) => page.locator("vibe-cell.running").count().then((n) => n > 0);
export const runId = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem("vibecell.run") ?? "null")?.id ?? null);

/** Performs one scenario, prints what came of it, and ends the process: what a failed one left open would keep it. */
export async function perform(scenarios, name) {
  const result = { ok: true, error: null, seen: null };
  try {
    assert.ok(Object.hasOwn(scenarios, name), `no scenario "${name}"`);
    result.seen = (await scenarios[name]()) ?? null;
  } catch (error) {
    result.ok = false;
    result.error = error instanceof Error ? (error.stack ?? error.message) : String(error);
  } finally {
    for (const context of browser.contexts()) await context.close();
    await browser.close();
  }
  const unwanted = violations.filter((text) => !wanted.some((pattern) => pattern.test(text)));
  process.stdout.write(`${JSON.stringify({ ...result, foreign, violations: unwanted })}\n`, () => process.exit());
}
