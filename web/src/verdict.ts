/** A result in words a person reads: what happened, how long, how much. */

import { ICONS } from "./dom";
import type { Outcome, Problem, Result, Usage, Verdict } from "./protocol";

/** What a verdict looks like; colour is never alone, icon and words say it too. */
export interface Appearance {
  words: string;
  tone: "good" | "bad" | "limit" | "quiet";
  icon: string;
}

const APPEARANCES: Record<Verdict, Appearance> = {
  accepted: { words: "Finished", tone: "good", icon: ICONS.check },
  wrong_answer: { words: "Wrong answer", tone: "bad", icon: ICONS.cross },
  compilation_error: { words: "Did not compile", tone: "bad", icon: ICONS.cross },
  runtime_error: { words: "Ended with an error", tone: "bad", icon: ICONS.cross },
  time_limit_exceeded: { words: "Time limit exceeded", tone: "limit", icon: ICONS.clock },
  memory_limit_exceeded: { words: "Memory limit exceeded", tone: "limit", icon: ICONS.gauge },
  output_limit_exceeded: { words: "Output limit exceeded", tone: "limit", icon: ICONS.gauge },
  process_limit_exceeded: { words: "Process limit exceeded", tone: "limit", icon: ICONS.gauge },
  workspace_limit_exceeded: { words: "Workspace limit exceeded", tone: "limit", icon: ICONS.gauge },
  cancelled: { words: "Stopped", tone: "quiet", icon: ICONS.halt },
  internal_error: { words: "The service failed", tone: "bad", icon: ICONS.warn },
};

/** A page is shown, not executed: it has no exit code and used nothing. */
export const PAGE: Appearance = { words: "Page shown", tone: "good", icon: ICONS.check };

export const REFUSED: Appearance = { words: "Not run", tone: "bad", icon: ICONS.warn };

export const appearance = (verdict: Verdict): Appearance =>
  APPEARANCES[verdict] ?? { words: String(verdict), tone: "quiet", icon: ICONS.halt };

export function formatMilliseconds(ms: number): string {
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  const seconds = ms / 1000;
  return seconds < 60
    ? `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`
    : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

export interface Fact {
  name: string;
  label: string;
  value: string;
}

function usageFacts(usage: Usage): Fact[] {
  const facts: Fact[] = [];
  if (usage.wall_time_ms != null) facts.push({ name: "time", label: "time", value: formatMilliseconds(usage.wall_time_ms) });
  if (usage.cpu_time_ms != null) facts.push({ name: "cpu", label: "cpu", value: formatMilliseconds(usage.cpu_time_ms) });
  if (usage.memory_bytes != null) facts.push({ name: "memory", label: "memory", value: formatBytes(usage.memory_bytes) });
  return facts;
}

/** Exit code or signal, then what was used; a fact the host lacks is left out. */
export function facts(result: Result): Fact[] {
  const last: Outcome | undefined = result.stages.at(-1)?.outcome;
  const ending: Fact[] = [];
  if (last?.signal) ending.push({ name: "signal", label: "signal", value: last.signal });
  else if (last?.exit_code != null) ending.push({ name: "exit-code", label: "exit code", value: String(last.exit_code) });
  return [...ending, ...usageFacts(result.usage ?? last?.usage ?? {})];
}

/** What the platform says about the end, if anything. */
export function message(result: Result): string {
  const said = result.message || result.stages.map((s) => s.outcome.message).find(Boolean) || "";
  // "time limit exceeded: stopped after 10.0 s" stands beside those very words.
  const prefix = `${result.verdict.replaceAll("_", " ")}: `;
  const rest = said.toLowerCase().startsWith(prefix) ? said.slice(prefix.length) : said;
  return sentences(rest.charAt(0).toUpperCase() + rest.slice(1), leftOut(result));
}

function leftOut({ displays_left_out: count, truncated }: Result): string {
  if (count) return count === 1 ? "One display was left out." : `${count} displays were left out.`;
  return truncated ? "Output was cut at its limit." : "";
}

/** Several things said, one after the other; what is empty is not said. */
export function sentences(...parts: string[]): string {
  const said = parts.filter((part) => part !== "");
  const ended = said.map((part) => (/[.!?…]$/.test(part) ? part : `${part}.`));
  return said.length === 1 ? (said[0] ?? "") : ended.map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join(" ");
}

/** What a refusal means for the person, after what the server says about it. */
export function explain({ detail, status, retryAfterS }: Problem, began: boolean): string {
  const when = retryAfterS === undefined ? "Try again in a moment." : `Try again in ${retryAfterS} s.`;
  return sentences(
    detail,
    status === 429 || status === 503 ? when : "",
    began ? "What the program printed until then is kept here." : status === null ? "Your program is kept here; run it again." : "",
  );
}
