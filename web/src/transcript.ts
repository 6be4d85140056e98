/**
 * The output as text that a screen reader can have: beside the terminal, unseen,
 * and seen in its place where the terminal's screen cannot be had.
 *
 * Rate limited and bounded, so that a program that floods is not read out for an
 * hour and costs the page little: of much at once the last lines are told, and how many were
 * not; those that are kept of these can be read, too, and only nobody is told of them.
 */

import { h } from "./dom";
import { PlainText } from "./plaintext";

const EVERY_MS = 400;
/** A line that is written over and over (a progress bar) is told when it rests. */
const REST_MS = 1200;
const LINES_AT_ONCE = 30;
const LINES_KEPT = 300;

export class Transcript {
  readonly element = h("div", { class: "transcript", role: "log", "aria-live": "polite", "aria-label": "Output as text" });
  private text = new PlainText();
  private lines: string[] = [];
  private left = 0;
  private open: HTMLElement | null = null;
  private timer = 0;
  private restTimer = 0;

  add(data: string): void {
    this.text.add(data);
    this.lines.push(...this.text.take());
    if (this.lines.length > LINES_KEPT) this.left += this.lines.splice(0, this.lines.length - LINES_KEPT).length;
    this.timer ||= window.setTimeout(() => this.tell(), EVERY_MS);
  }

  clear(): void {
    window.clearTimeout(this.timer);
    window.clearTimeout(this.restTimer);
    this.timer = this.restTimer = 0;
    this.text = new PlainText();
    this.lines = [];
    this.left = 0;
    this.open = null;
    this.element.replaceChildren();
  }

  private tell(): void {
    this.timer = 0;
    window.clearTimeout(this.restTimer);
    const [first, ...others] = this.lines.splice(0, this.lines.length);
    if (first !== undefined) {
      this.show(first); // what the open line has become
      this.open = null;
      this.append(others);
    }
    if (this.text.rewritten) this.restTimer = window.setTimeout(() => this.show(this.text.rest), REST_MS);
    else this.show(this.text.rest);
    while (this.element.querySelectorAll("p").length > LINES_KEPT) this.element.firstElementChild?.remove();
  }

  private append(lines: string[]): void {
    const paragraphs = lines.map((line) => h("p", {}, line));
    const quiet = paragraphs.splice(0, Math.max(0, paragraphs.length - LINES_AT_ONCE));
    const untold = this.left + quiet.length;
    this.left = 0;
    if (quiet.length > 0) this.element.append(h("div", { "aria-live": "off" }, ...quiet));
    if (untold > 0) this.element.append(h("p", { class: "untold" }, `${untold} lines were not read out.`));
    this.element.append(...paragraphs);
  }

  /** Shows the open line; where it only grew, what is new of it is all that is told. */
  private show(line: string): void {
    const shown = this.open?.textContent ?? "";
    if (line === shown) return;
    if (this.open === null) {
      this.open = h("p");
      this.element.append(this.open);
    }
    if (line.startsWith(shown)) this.open.append(line.slice(shown.length));
    else this.open.textContent = line;
  }
}
