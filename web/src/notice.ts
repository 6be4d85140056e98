/** One thing that a person has to know about this run, above its output until it is over. */

import { h, icon, ICONS } from "./dom";

export class Notice {
  private timer = 0;

  constructor(private readonly element: HTMLElement) {}

  /** Says it, for good or for a while. */
  say(words: string, tone: "good" | "bad", forMs?: number): void {
    window.clearTimeout(this.timer);
    this.element.dataset.tone = tone;
    this.element.replaceChildren(icon(tone === "good" ? ICONS.check : ICONS.warn), h("p", {}, words));
    if (forMs !== undefined) this.timer = window.setTimeout(() => this.clear(), forMs);
  }

  clear(): void {
    window.clearTimeout(this.timer);
    this.element.replaceChildren();
  }
}
