/**
 * The terminal of the page, there before its screen is: what comes and what is
 * typed until then waits, in order, and the text of it all can be read aloud.
 */

import { h } from "./dom";
import { Transcript } from "./transcript";
import type { Screen } from "./xterm";

export interface TerminalOptions {
  input(data: string): void;
  resized(columns: number, rows: number): void;
  run(): void;
  /** Whether keys belong to a running program (else Tab moves on). */
  live(): boolean;
}

/** Keys that a person may press before the screen is there, as a terminal sends them. */
const KEYS: Record<string, string> = { Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b" };

export class Terminal {
  readonly transcript = new Transcript();
  private screen: Screen | null = null;
  private opening: Promise<void> | null = null;
  private waiting: ((screen: Screen) => void)[] = [];
  private typedAhead = false;
  /** Takes the keys until the screen is there. */
  private readonly stand = h("div", { class: "stand", tabindex: "-1", role: "textbox", "aria-label": "Terminal: type here for the program's input" });

  constructor(
    private readonly parent: HTMLElement,
    private readonly options: TerminalOptions,
  ) {
    this.stand.addEventListener("keydown", (event) => this.takeKey(event));
    parent.append(this.stand);
  }

  /** Fetches the screen and puts it up; rejects if it cannot be had. A further call tries again, or waits with the first. */
  open(): Promise<void> {
    this.opening ??= this.putUp().catch((error: unknown) => {
      this.opening = null;
      throw error;
    });
    return this.opening;
  }

  /** Columns and rows, once there is a screen to measure. */
  get size(): { columns: number; rows: number } | null {
    return this.screen === null ? null : { columns: this.screen.columns, rows: this.screen.rows };
  }

  get focused(): boolean {
    return this.parent.contains(document.activeElement);
  }

  /** Whether the person has typed since the last reset. */
  get typed(): boolean {
    return this.typedAhead || (this.screen?.typed ?? false);
  }

  focus(): void {
    if (this.screen !== null) this.screen.focus();
    else this.stand.focus();
  }

  /** Writes output; `replay` marks what was already answered in its time. */
  write(data: string, replay = false): void {
    this.transcript.add(data);
    this.soon((screen) => screen.write(data, replay));
  }

  /** A fresh terminal for a new run: modes, colours and scrollback are gone. */
  reset(): void {
    this.transcript.clear();
    this.typedAhead = false;
    this.waiting = [];
    this.screen?.reset();
  }

  /** Empties the screen of a run that goes on. */
  clear(): void {
    this.transcript.clear();
    this.soon((screen) => screen.clear());
  }

  applyTheme(): void {
    this.screen?.applyTheme();
  }

  private soon(step: (screen: Screen) => void): void {
    if (this.screen !== null) step(this.screen);
    else this.waiting.push(step);
  }

  private async putUp(): Promise<void> {
    const { Screen } = await import("./xterm");
    const screen = new Screen(this.parent, this.options);
    await screen.open();
    const focused = document.activeElement === this.stand;
    this.screen = screen;
    this.stand.remove();
    if (focused) screen.focus();
    for (const step of this.waiting) step(screen);
    this.waiting = [];
  }

  private takeKey(event: KeyboardEvent): void {
    if (!this.options.live() || event.isComposing || event.altKey || event.metaKey) return;
    if (event.key === "Tab" && event.shiftKey) return;
    let data = KEYS[event.key] ?? (event.key.length === 1 ? event.key : "");
    if (event.ctrlKey) data = /^[a-z]$/i.test(event.key) ? String.fromCharCode(event.key.toUpperCase().charCodeAt(0) - 64) : "";
    if (data === "") return;
    event.preventDefault();
    this.typedAhead = true;
    this.options.input(data);
  }
}
