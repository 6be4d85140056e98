/**
 * What a program prints as lines of plain text: escape sequences are left out,
 * and a line that is written over again is the last of what it was.
 *
 * Output is hostile: a line, and what is kept of a sequence, is bounded.
 * Source: ECMA-48 (5.3 control sequences, 5.6 control strings, 8.2.14 and 5.4 for where they end).
 */

const MAX_LINE_CHARACTERS = 1000;

const enum State {
  text,
  /** after ESC */
  escape,
  /** within a control sequence: ESC [ … */
  sequence,
  /** within a control string, which ST or BEL ends: ESC ] … */
  string,
  /** after ESC in a control string */
  stringEscape,
}

/** One-byte forms of ESC and a letter. Source: ECMA-48, 5.3 and 5.6. */
const C1 = { sequence: "\x9b", strings: "\x90\x98\x9d\x9e\x9f", end: "\x9c" } as const;

export class PlainText {
  private state = State.text;
  private line = "";
  private returned = false;
  private parameters = "";
  private ended: string[] = [];
  /** Whether the line that has no end yet was written over since it began. */
  rewritten = false;

  /** The lines that have ended since the last call. */
  take(): string[] {
    const { ended } = this;
    this.ended = [];
    return ended;
  }

  /** The line that has no end yet. */
  get rest(): string {
    return this.line;
  }

  add(data: string): void {
    for (const character of data) this.step(character);
  }

  private step(c: string): void {
    if (c === "\x18" || c === "\x1a") this.state = State.text; // CAN and SUB break a sequence off
    else if (this.state === State.string || this.state === State.stringEscape) this.stepInString(c);
    else if (c === "\x1b") this.state = State.escape;
    else if (c === C1.sequence) this.beginSequence();
    else if (C1.strings.includes(c)) this.state = State.string;
    else if (this.state === State.escape) this.stepAfterEscape(c);
    else if (this.state === State.sequence) this.stepInSequence(c);
    else this.print(c);
  }

  private stepInString(c: string): void {
    const ends = c === "\x07" || c === C1.end || (this.state === State.stringEscape && c === "\\");
    this.state = ends ? State.text : c === "\x1b" ? State.stringEscape : State.string;
  }

  private beginSequence(): void {
    this.state = State.sequence;
    this.parameters = "";
  }

  private stepAfterEscape(c: string): void {
    if (c === "[") this.beginSequence();
    else if ("]PX^_".includes(c)) this.state = State.string;
    else if (c < " " || c > "/") this.state = State.text; // else an intermediate: one more comes
  }

  private stepInSequence(c: string): void {
    if (c < "@") {
      this.parameters = (this.parameters + c).slice(0, 8);
      return;
    }
    this.state = State.text;
    // The screen is drawn anew: what was there has been told.
    if (c === "J" || c === "H") this.end();
    else if (c === "K" && this.returned) this.line = "";
  }

  private print(c: string): void {
    if (c === "\n") this.end(true);
    else if (c === "\r") this.returned = true;
    else if (c === "\b") this.line = [...this.line].slice(0, -1).join("");
    else if (c === "\t" || (c >= " " && c !== "\x7f" && !(c >= "\x80" && c <= "\x9f"))) this.put(c);
  }

  private put(c: string): void {
    if (this.returned) {
      this.rewritten ||= this.line !== "";
      this.line = "";
      this.returned = false;
    }
    if (this.line.length < MAX_LINE_CHARACTERS) this.line += c;
  }

  private end(empty = false): void {
    if (empty || this.line !== "") this.ended.push(this.line);
    this.line = "";
    this.returned = this.rewritten = false;
  }
}
