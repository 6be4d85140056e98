/** The browser of these tests: Chromium as a person has it, but for what it does on its own account. */
import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../../web/package.json", import.meta.url))("playwright-core");

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

const OPTIONS = {
  executablePath: process.env.VIBECELL_TEST_CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: FLAGS,
};

/** A browser of one's own, for what may end it. */
export const launch = () => chromium.launch(OPTIONS);

/** The browser that tests share, where there is one (browser_server.mjs); else one of one's own. */
export const join = () => {
  const shared = process.env.SHARED_TEST_BROWSER;
  return shared === undefined ? launch() : chromium.connect(shared);
};

export const launchServer = () => chromium.launchServer({ ...OPTIONS, host: "127.0.0.1" });
