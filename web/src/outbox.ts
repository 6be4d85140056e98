/**
 * Input of one run on its way up: what waits for a connection, in order, and what
 * went out last and may have been lost with one.
 *
 * A WebSocket tells nobody what arrived. What the program says or does after input was
 * sent (its echo, for one) is the sign that it did; what the server says of the run on its
 * own account is none, however often it comes.
 */

import type { Control, ServerEvent } from "./protocol";

/** What a person may type or paste meanwhile; the server takes as much ahead of a program. */
const MAX_KEPT_CHARACTERS = 256 * 1024;

/** Which events are the program's own doing. Each of the contract is judged here. */
const OF_THE_PROGRAM: Record<ServerEvent["type"], boolean> = {
  queued: false,
  started: false,
  usage: false,
  stream: true,
  display: true,
  exited: true,
  finished: true,
};

export class Outbox {
  private kept: Control[] = [];
  private keptCharacters = 0;
  private unheard = 0;

  /** Keeps input and its end; false where there is no room, or where it would be out of date. */
  keep(control: Control): boolean {
    if (control.type !== "stdin" && control.type !== "end_of_input") return false;
    const characters = count(control);
    if (this.keptCharacters + characters > MAX_KEPT_CHARACTERS) return false;
    this.kept.push(control);
    this.keptCharacters += characters;
    return true;
  }

  /** All that waits; it is the caller's then. */
  take(): Control[] {
    const { kept } = this;
    this.kept = [];
    this.keptCharacters = 0;
    return kept;
  }

  sent(control: Control): void {
    this.unheard += count(control);
  }

  /** Something came of the run: if it is the program's doing, what was sent before is taken as arrived. */
  heard(event: ServerEvent): void {
    if (OF_THE_PROGRAM[event.type]) this.unheard = 0;
  }

  /** How many characters went out of which the program showed nothing since; asked once. */
  doubtful(): number {
    const { unheard } = this;
    this.unheard = 0;
    return unheard;
  }

  /** How many characters will never be sent. */
  unsent(): number {
    return this.keptCharacters;
  }
}

const count = (control: Control): number => (control.type === "stdin" ? (control.data ?? "").length : 0);
