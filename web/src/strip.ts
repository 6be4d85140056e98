/** The line under the terminal: what the run is doing, then how it ended. */

import { h, icon } from "./dom";
import type { Problem, Result } from "./protocol";
import { appearance, type Appearance, explain, facts, formatMilliseconds, message, PAGE, REFUSED, sentences } from "./verdict";

type Tone = Appearance["tone"] | "idle" | "running";

export class Strip {
  private ticking = 0;

  constructor(
    private readonly pane: HTMLElement,
    private readonly verdict: HTMLElement,
    private readonly elapsed: HTMLElement,
  ) {
    this.idle();
  }

  idle(): void {
    this.stopClock();
    this.set("idle", h("span", { class: "words" }, "Nothing has run yet"));
  }

  /** `spoken`: what a screen reader is told beside the words. */
  progress(words: string, spoken = ""): void {
    this.set(
      "running",
      h("span", { class: "pulse", "aria-hidden": "true" }),
      h("span", { class: "words" }, words),
      spoken !== "" && h("span", { class: "visually-hidden" }, spoken),
    );
  }

  /**
   * `waitMs`: how long until its turn, as far as the service knows. It is said once, with the place;
   * what counts down stands where the time of a run does, which nothing reads aloud.
   */
  waiting(position: number, waitMs: number | null): void {
    const where = position > 0 ? `${position} ahead` : "next in line";
    const turn = performance.now() + (waitMs ?? 0);
    const left = () => `about ${Math.max(1, Math.round((turn - performance.now()) / 1000))} s`;
    this.progress(`Waiting for a place, ${where}`, waitMs === null ? "" : `, ${left()}`);
    this.stopClock();
    if (waitMs !== null) this.tick(1000, left);
  }

  running(): void {
    this.progress("Running");
    const began = performance.now();
    this.tick(100, () => formatMilliseconds(Math.round((performance.now() - began) / 100) * 100));
  }

  /** `why`: what this page knows of the end, beside what the result says. */
  finished(result: Result, page: boolean, why: string): void {
    this.stopClock();
    const { words, tone, icon: path } = page && result.verdict === "accepted" ? PAGE : appearance(result.verdict);
    const list = h("dl", { class: "facts" });
    for (const fact of page ? [] : facts(result)) {
      list.append(h("div", { class: `fact ${fact.name}` }, h("dt", {}, fact.label), h("dd", {}, fact.value)));
    }
    const said = sentences(message(result), why);
    this.set(
      tone,
      h("span", { class: "badge", "data-verdict": result.verdict }, icon(path), h("span", { class: "words" }, words)),
      list.childElementCount > 0 && list,
      said !== "" && h("p", { class: "message" }, said),
    );
  }

  /** `began`: whether the run was going on when it could not be shown further. */
  refused(problem: Problem, began: boolean): void {
    this.stopClock();
    const detail = explain(problem, began);
    this.set(
      REFUSED.tone,
      h("span", { class: "badge", "data-verdict": "refused" }, icon(REFUSED.icon), h("span", { class: "words" }, problem.title)),
      detail !== "" && h("p", { class: "message" }, detail),
    );
  }

  private tick(everyMs: number, words: () => string): void {
    this.stopClock();
    const show = () => (this.elapsed.textContent = words());
    show();
    this.ticking = window.setInterval(show, everyMs);
  }

  private stopClock(): void {
    window.clearInterval(this.ticking);
    this.elapsed.textContent = "";
  }

  private set(tone: Tone, ...children: (Node | false)[]): void {
    this.pane.dataset.tone = tone;
    this.verdict.replaceChildren(...children.filter((child) => child !== false));
  }
}
