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

export const launch = () =>
  chromium.launch({
    executablePath: process.env.VIBECELL_TEST_CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
  });
