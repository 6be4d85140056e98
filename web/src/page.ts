/**
 * A run that is a page: a frame without this origin's rights, and its console.
 *
 * The frame never gets allow-same-origin: with it, a page could read this tab's
 * key. Messages count only when they come from that very frame, and are text.
 */

import { address, executionPath } from "./api";
import { h } from "./dom";

const SOURCE = "vibecell-page";
const LEVELS = new Set(["log", "info", "warn", "error", "debug"]);
const MAX_ROWS = 500;
const MAX_ROW_CHARACTERS = 10_000;

function text(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value, null, 1) ?? String(value);
  } catch {
    return String(value); // circular or a BigInt inside
  }
}

export class Page {
  readonly element = h("div", { class: "page", hidden: true });
  private readonly stage = h("div", { class: "page-stage" });
  private readonly rows = h("ol", { class: "console-rows", "aria-live": "polite", tabindex: "0", "aria-label": "Console messages" });
  private readonly count = h("span", { class: "console-count" });
  private frame: HTMLIFrameElement | null = null;
  private pending: HTMLLIElement[] = [];
  private received = 0;

  constructor() {
    this.element.append(
      this.stage,
      h("section", { class: "console", "aria-label": "Console of the page" }, h("header", {}, h("h3", {}, "Console"), this.count), this.rows),
    );
    window.addEventListener("message", (event) => this.listen(event));
  }

  show(id: string): void {
    this.hide();
    this.frame = h("iframe", {
      sandbox: "allow-scripts",
      title: "The page this program is",
      referrerpolicy: "no-referrer",
      allow: "",
      src: address(`${executionPath(id)}/page/`).href,
    });
    this.stage.replaceChildren(this.frame);
    this.element.hidden = false;
    this.updateCount();
  }

  /** Takes the page away, and with it whatever it was doing. */
  hide(): void {
    this.frame = null;
    this.stage.replaceChildren();
    this.clearConsole();
    this.element.hidden = true;
  }

  clearConsole(): void {
    this.rows.replaceChildren();
    this.pending = [];
    this.received = 0;
    this.updateCount();
  }

  private listen(event: MessageEvent): void {
    if (this.frame === null || event.source !== this.frame.contentWindow) return;
    const data = event.data as { source?: unknown; level?: unknown; args?: unknown } | null;
    if (typeof data !== "object" || data?.source !== SOURCE) return;
    this.received += 1;
    if (this.received > MAX_ROWS) {
      if (this.received === MAX_ROWS + 1) this.queue("warn", "Further messages are not shown.");
      return;
    }
    const level = LEVELS.has(String(data.level)) ? String(data.level) : "log";
    const parts = Array.isArray(data.args) ? data.args.slice(0, 32).map(text) : [];
    this.queue(level, parts.join(" ").slice(0, MAX_ROW_CHARACTERS));
  }

  /** Rows go in once per frame drawn, so a page that floods costs little. */
  private queue(level: string, line: string): void {
    if (this.pending.length === 0) requestAnimationFrame(() => this.flush());
    const row = h("li", { class: `row ${level}` });
    row.append(h("span", { class: "level" }, level), h("span", { class: "message" }, line));
    this.pending.push(row);
  }

  private flush(): void {
    this.rows.append(...this.pending);
    this.pending = [];
    this.rows.scrollTop = this.rows.scrollHeight;
    this.updateCount();
  }

  private updateCount(): void {
    this.count.textContent = this.received === 0 ? "silent so far" : `${this.received}`;
  }
}
