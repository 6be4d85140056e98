/**
 * A run that is a page: a frame without this origin's rights, and its console.
 *
 * The frame never gets allow-same-origin: with it, a page could read this tab's
 * key. Messages count only when they come from that very frame, and are text: what
 * is in one decides what a row says, and nothing else. A page that floods this one
 * with messages is taken away; what runs in it (gateway/preamble/console.js) keeps
 * well below that, so only one that means it gets there.
 */

import { address, executionPath } from "./api";
import { h } from "./dom";

const SOURCE = "vibecell-page";
const SANDBOX = "allow-scripts allow-forms allow-modals allow-downloads";
const LEVELS = new Set(["log", "info", "warn", "error", "debug"]);
const MAX_ROWS = 1000;
const MAX_ROW_CHARACTERS = 12_000;
const TABLE = /^ *┌─/; // whose lines are kept whole
const FLOOD_MESSAGES = 2000;
const FLOOD_WITHIN_MS = 1000;

const CLEARED: Row = { level: "info", text: "Console was cleared" };

interface Row {
  level: string;
  text: string;
}

export class Page {
  readonly element = h("div", { class: "page", hidden: true });
  private readonly stage = h("div", { class: "page-stage" });
  private readonly rows = h("ol", { class: "console-rows", "aria-live": "polite", tabindex: "0", "aria-label": "Console messages" });
  private readonly count = h("span", { class: "console-count" });
  private frame: HTMLIFrameElement | null = null;
  private waiting: Row[] = [];
  private drawing = false;
  private received = 0;
  private heard = 0;
  private heardSince = 0;

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
      sandbox: SANDBOX,
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
    this.waiting = [];
    this.received = 0;
    this.updateCount();
  }

  private listen(event: MessageEvent): void {
    if (this.frame === null || this.floods()) return;
    if (event.source !== this.frame.contentWindow) return; // a frame within the page's, too
    const data = event.data as { source?: unknown; level?: unknown; text?: unknown } | null;
    if (typeof data !== "object" || data?.source !== SOURCE) return;
    const { level, text } = data;
    if (typeof level !== "string" || typeof text !== "string") return;
    if (level === "clear") {
      this.waiting = [CLEARED];
      this.received = 0;
    } else {
      this.waiting.push({ level: LEVELS.has(level) ? level : "log", text: text.slice(0, MAX_ROW_CHARACTERS) });
      this.received += 1;
    }
    if (this.waiting.length > 2 * MAX_ROWS) this.waiting = this.waiting.slice(-MAX_ROWS);
    this.drawSoon();
  }

  /** Counts every message, before it is looked at: each costs this page time. */
  private floods(): boolean {
    const now = performance.now();
    if (now - this.heardSince > FLOOD_WITHIN_MS) {
      this.heardSince = now;
      this.heard = 0;
    }
    this.heard += 1;
    if (this.heard <= FLOOD_MESSAGES) return false;
    this.frame = null;
    this.stage.replaceChildren();
    this.waiting.push({ level: "error", text: "The page sent messages without end, and was stopped." });
    this.draw();
    return true;
  }

  /** Rows are made once per frame drawn: taking a message costs less than sending it. */
  private drawSoon(): void {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => this.draw());
  }

  /** The newest rows stay. */
  private draw(): void {
    this.drawing = false;
    const rows = this.waiting.slice(-MAX_ROWS);
    if (this.waiting[0] === CLEARED) this.rows.replaceChildren();
    this.waiting = [];
    this.rows.append(...rows.map(rowElement));
    while (this.rows.childElementCount > MAX_ROWS) this.rows.firstElementChild?.remove();
    this.rows.scrollTop = this.rows.scrollHeight;
    this.updateCount();
  }

  private updateCount(): void {
    const left = this.received - MAX_ROWS;
    this.count.textContent = this.received === 0 ? "silent so far" : left > 0 ? `${this.received}, the last ${MAX_ROWS} are shown` : `${this.received}`;
  }
}

function rowElement({ level, text }: Row): HTMLLIElement {
  const row = h("li", { class: TABLE.test(text) ? `row ${level} table` : `row ${level}` });
  row.append(h("span", { class: "level" }, level), h("span", { class: "message" }, text));
  return row;
}
