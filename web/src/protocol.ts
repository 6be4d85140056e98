/**
 * The wire contract as this page sees it: events down, controls up.
 *
 * Everything that arrives is checked here once; the rest of the page may trust
 * these types. What a program prints is data, never markup.
 */

export type Verdict =
  | "accepted"
  | "wrong_answer"
  | "compilation_error"
  | "runtime_error"
  | "time_limit_exceeded"
  | "memory_limit_exceeded"
  | "output_limit_exceeded"
  | "process_limit_exceeded"
  | "workspace_limit_exceeded"
  | "cancelled"
  | "internal_error";

export interface Language {
  name: string;
  display_name: string;
  version: string;
  aliases: string[];
  entrypoint: string;
  example: string;
  mode?: string;
}

export interface Usage {
  wall_time_ms?: number | null;
  cpu_time_ms?: number | null;
  memory_bytes?: number | null;
}

export interface Outcome {
  verdict: Verdict;
  exit_code: number | null;
  signal: string | null;
  usage?: Usage;
  message?: string;
}

/** `content` where the file is UTF-8 text, `content_base64` where it is not. */
export interface OutputFile {
  path: string;
  content?: string | null;
  content_base64?: string | null;
}

export interface Result {
  id: string;
  verdict: Verdict;
  stages: { stage: string; outcome: Outcome }[];
  truncated: boolean;
  usage?: Usage;
  files: OutputFile[];
  message?: string;
}

export type ServerEvent =
  | { seq: number; type: "queued"; position: number }
  | { seq: number; type: "started"; stage: string }
  | { seq: number; type: "stream"; stage: string; name: "stdout" | "stderr"; data: string }
  | { seq: number; type: "display"; data: Record<string, string> }
  | { seq: number; type: "exited"; stage: string; outcome: Outcome }
  | { seq: number; type: "finished"; result: Result };

export interface Problem {
  title: string;
  detail: string;
  status: number | null;
}

export type ServerMessage =
  | { kind: "accepted"; id: string }
  | { kind: "event"; event: ServerEvent }
  | { kind: "problem"; problem: Problem }
  | { kind: "ignored" };

export type Control =
  | { type: "stdin"; data: string }
  | { type: "end_of_input" }
  | { type: "signal"; name: "SIGINT" }
  | { type: "resize"; columns: number; rows: number }
  | { type: "cancel" };

export interface ExecuteRequest {
  code: string;
  language: string;
  interactive: boolean;
  on_disconnect: "cancel" | "continue";
  limits?: { wall_time_ms: number };
}

const EVENT_TYPES = new Set(["queued", "started", "stream", "display", "exited", "finished"]);

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Reads one WebSocket message; anything unknown is passed over, not fatal. */
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
  if (typeof value.seq === "number" && EVENT_TYPES.has(String(value.type))) {
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
  };
}

/** Whether a run of this language is shown as a page instead of executed. */
export const isPage = (language: Language): boolean =>
  language.mode === "page" || language.name === "html";
