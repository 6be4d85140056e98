/**
 * The screen of a terminal: xterm.js, which alone reads the program's escape sequences.
 *
 * Output is hostile: links in it (OSC 8) are shown but lead nowhere, and what
 * the terminal answers by itself while an old run is replayed is not sent on.
 * Fetched when there is time, or when a run first wants it.
 */

import "./styles/mono.css";

import { FitAddon } from "@xterm/addon-fit";
import { type ITheme, Terminal as XTerm } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import type { TerminalOptions } from "./terminal";

const FONT = '"Commit Mono", ui-monospace, "SF Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace';
const FONT_WAIT_MS = 800;
const ANSI = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;

export class Screen {
  private readonly xterm: XTerm;
  private readonly fitAddon = new FitAddon();
  private replaying = 0;
  private opened = false;
  /** Whether the person has typed since the last reset. */
  typed = false;

  constructor(
    private readonly parent: HTMLElement,
    private readonly options: TerminalOptions,
  ) {
    this.xterm = new XTerm({
      fontFamily: FONT,
      fontSize: 13.5,
      lineHeight: 1.35,
      scrollback: 10_000,
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      cursorInactiveStyle: "outline",
      minimumContrastRatio: 4.5,
      linkHandler: { activate: () => undefined },
    });
    this.xterm.loadAddon(this.fitAddon);
    this.xterm.onData((data) => {
      if (this.replaying === 0) {
        this.typed = true;
        options.input(data);
      }
    });
    this.xterm.onResize(({ cols, rows }) => options.resized(cols, rows));
    this.xterm.attachCustomKeyEventHandler((event) => this.ownsKey(event));
  }

  /** Opens once the font is there: xterm measures a character only then. */
  async open(): Promise<void> {
    const font = Promise.all([
      document.fonts.load('400 14px "Commit Mono"'),
      document.fonts.load('700 14px "Commit Mono"'),
    ]).catch(() => undefined); // without it the fallback font is measured
    await Promise.race([font, new Promise((resolve) => setTimeout(resolve, FONT_WAIT_MS))]);
    this.xterm.open(this.parent);
    this.opened = true;
    this.xterm.textarea?.setAttribute("aria-label", "Terminal: type here for the program's input");
    this.xterm.textarea?.setAttribute("aria-describedby", "terminal-hint");
    this.applyTheme();
    this.fit();
    new ResizeObserver(() => this.fit()).observe(this.parent);
  }

  get columns(): number {
    return this.xterm.cols;
  }

  get rows(): number {
    return this.xterm.rows;
  }

  focus(): void {
    this.xterm.focus();
  }

  /** Writes output; `replay` marks what was already answered in its time. */
  write(data: string, replay = false): void {
    if (!replay) {
      this.xterm.write(data);
      return;
    }
    this.replaying += 1;
    this.xterm.write(data, () => {
      this.replaying -= 1;
    });
  }

  /** A fresh terminal for a new run: modes, colours and scrollback are gone. */
  reset(): void {
    this.typed = false;
    this.xterm.reset();
  }

  /** Empties the screen of a run that goes on. */
  clear(): void {
    this.xterm.clear();
  }

  applyTheme(): void {
    const css = getComputedStyle(this.parent);
    const colour = (name: string): string => css.getPropertyValue(`--${name}`).trim();
    const theme: Record<string, string> = {
      background: colour("surface"),
      foreground: colour("ink"),
      cursor: colour("pulse"),
      cursorAccent: colour("surface"),
      selectionBackground: colour("selection"),
    };
    for (const name of ANSI) {
      theme[name] = colour(`ansi-${name}`);
      theme[`bright${name[0]!.toUpperCase()}${name.slice(1)}`] = colour(`ansi-bright-${name}`);
    }
    this.xterm.options.theme = theme as ITheme;
  }

  private fit(): void {
    if (this.opened && this.parent.clientHeight > 0 && this.parent.clientWidth > 0) this.fitAddon.fit();
  }

  private ownsKey(event: KeyboardEvent): boolean {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      if (event.type === "keydown") this.options.run();
      event.preventDefault();
      return false;
    }
    // Shift+Tab always leaves; Tab too unless a program may want it.
    if (event.key === "Tab") return this.options.live() && !event.shiftKey;
    return true;
  }
}
