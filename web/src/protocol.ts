/**
 * Messages as this page reads them.
 *
 * What they are is in contract.ts. Everything that arrives is checked here once; the
 * rest of the page may trust the types. What a program prints is data, never markup.
 */
import { EVENT_TYPES, type Event as ServerEvent, type ExecuteBody, type Language } from "./contract";

export type { Control, Event as ServerEvent, Language, OmittedFile, Outcome, File as OutputFile, Result, Usage, Verdict } from "./contract";

/** What this page asks for. */
export type ExecuteRequest = ExecuteBody & { code: string; language: string };

export interface Problem {
  title: string;
  detail: string;
  status: number | null;
  /** Which kind of problem it is, where the server says so. */
  type?: string;
  /** Seconds until it is worth to come again, where the server says so. */
  retryAfterS?: number;
}

export type ServerMessage =
  | { kind: "accepted"; id: string }
  | { kind: "event"; event: ServerEvent }
  | { kind: "unknown"; seq: number; type: string }
  | { kind: "problem"; problem: Problem }
  | { kind: "ignored" };

const KNOWN = new Set<string>(EVENT_TYPES);

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Reads one WebSocket message. An event that this page does not know is told as such; what is no message is passed over. */
export function parseMessage(text: string): ServerMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "ignored" };
  }
  if (!isObject(value)) return { kind: "ignored" };
  if (value.type === "accepted" && typeof value.id === "string") {
    return { kind: "accepted", id: value.id };
  }
  if (typeof value.seq === "number" && typeof value.type === "string") {
    if (!KNOWN.has(value.type)) return { kind: "unknown", seq: value.seq, type: value.type };
    return { kind: "event", event: value as unknown as ServerEvent };
  }
  const carried = isObject(value.problem) ? value.problem : value;
  if (typeof carried.title === "string" || typeof carried.detail === "string") {
    return { kind: "problem", problem: readProblem(carried) };
  }
  return { kind: "ignored" };
}

/** Reads a problem+json body (RFC 9457), with field errors folded into detail. */
export function readProblem(value: unknown): Problem {
  const body = isObject(value) ? value : {};
  const fields = Array.isArray(body.errors)
    ? body.errors.filter(isObject).map((e) => `${String(e.path ?? "")}: ${String(e.message ?? e.detail ?? "")}`)
    : [];
  const detail = typeof body.detail === "string" ? body.detail : "";
  return {
    title: typeof body.title === "string" ? body.title : "The server refused this",
    detail: fields.length > 0 && !fields.some((f) => detail.includes(f)) ? [detail, ...fields].filter(Boolean).join(" ") : detail,
    status: typeof body.status === "number" ? body.status : null,
    ...(typeof body.type === "string" && { type: body.type }),
    ...(typeof body.retry_after_s === "number" && { retryAfterS: body.retry_after_s }),
  };
}

/** Whether a run of this language is shown as a page instead of executed. */
export const isPage = (language: Language): boolean =>
  language.mode === "page" || language.name === "html";
