/**
 * The wire contract: what comes down, what goes up. Written from the model by
 * `make page`; not to be changed by hand.
 */

/** Stop the execution for good, at whatever stage it is. */
export interface CancelControl {
  type: "cancel";
}

export type Control = StdinControl | EndOfInputControl | ResizeControl | SignalControl | CancelControl;

/** Something to look at, as Jupyter's display_data: MIME type to content. */
export interface Display {
  seq: number;
  type: "display";
  data: Record<string, string>;
}

/** No more standard input. */
export interface EndOfInputControl {
  type: "end_of_input";
}

export type Event = Queued | Started | Stream | Display | UsageSample | Exited | Finished;

/** What to run, and how. */
export interface ExecuteBody {
  code?: string | null;
  language?: string;
  files?: FileBody[] | null;
  /** a version of that language; `null` is the default one */
  version?: string | null;
  /** path of the file to run; `null` is the language's default */
  entrypoint?: string | null;
  /** arguments of the program, after its own name */
  args?: string[];
  /** bytes fed at once; followed by end of input unless interactive */
  stdin?: string | null;
  /** bytes fed at once; followed by end of input unless interactive */
  stdin_base64?: string | null;
  /** additional environment variables */
  env?: Record<string, string>;
  limits?: LimitsBody | null;
  /** keep its input open, true: on a terminal, "pipe": without one, for programs that talk to it */
  interactive?: boolean | "pipe";
  /** the terminal's size at the start, where it has one */
  columns?: number;
  /** the terminal's size at the start, where it has one */
  rows?: number;
  /** compared with stdout; `null` is no comparison */
  expected_output?: string | null;
  /** how bytes of the program reach the client */
  encoding?: "utf-8" | "base64";
  /** what happens when its only live connection closes */
  on_disconnect?: "cancel" | "continue";
  /** which of the deployment's further kinds of wall; `null` leaves it to the language */
  request_class?: string | null;
  /** on behalf of which of the caller's users; its program is not told */
  user?: string | null;
  /**
   * where it must wait, those of the same user with a higher one go first; it changes nothing between users
   */
  priority?: number;
  /** how often events tell what it uses; `null`: never */
  usage_interval_ms?: number | null;
}

/** Answer of `POST /execute`. */
export interface ExecuteReply {
  success: boolean;
  /** stdout */
  output: string;
  /** stderr, then what the platform did to the program */
  error: string;
  exit_code: number | null;
  signal: string | null;
  /** the execution's, 128 random bits or more */
  id: string;
  verdict: Verdict;
  /** whether output was cut at the limit, or a display left out */
  truncated: boolean;
  usage: Usage;
  /** new or changed files, bounded in number and size */
  files: File[];
  /** what else was new or changed, and why it is not among the files; the first 64 */
  omitted: OmittedFile[];
  /** how many such there were, the ones in `omitted` included */
  files_left_out: number;
  /** what was displayed, in its order, as far as there is an event of it */
  displays: KeptDisplay[];
  /** how many displays are not among the events: too large, too many, or none */
  displays_left_out: number;
  /** whether an interpreter that had been started ahead ran it; false for languages that have none */
  warm: boolean;
}

/** What a list shows of an execution. */
export interface ExecutionSummary {
  id: string;
  state: "queued" | "running" | "finished";
  /** canonical name */
  language: string;
  /** of its key's users, whose it is; `null` where it is the key's own */
  user: string | null;
  /** when it was accepted, in milliseconds of Unix time */
  begun_at_ms: number;
  /** when its result was there; `null` before */
  ended_at_ms: number | null;
  /** `null` before the end */
  verdict: Verdict | null;
}

/** State of an execution, and its result once finished. */
export interface Execution {
  id: string;
  state: "queued" | "running" | "finished";
  result: Result | null;
}

/** A stage ended. */
export interface Exited {
  seq: number;
  type: "exited";
  stage: string;
  outcome: Outcome;
}

/** A file put into the workspace before the program starts. Its bytes come as text or as base64. */
export interface FileBody {
  path: string;
  content?: string | null;
  content_base64?: string | null;
}

/** A file the program left: ``content`` where it is text, else base64. */
export interface File {
  path: string;
  content?: string | null;
  content_base64?: string | null;
}

/** The execution ended; nothing follows. */
export interface Finished {
  seq: number;
  type: "finished";
  result: Result;
}

/** How much a user may have; no wider than the key's. */
export interface GrantBody {
  /** Executions begun, as `60/minute`: a number, and second, minute, hour or day. */
  rate?: string | null;
  /** executions that run or wait at once */
  concurrent?: number | null;
  /** event streams and WebSockets open at once */
  streams?: number | null;
  /** processor time of a day in UTC, of programs that ended or run */
  cpu_ms_per_day?: number | null;
  /** of stdout, stderr and displays likewise */
  output_bytes_per_day?: number | null;
}

/** What a program displayed, as a result tells it. */
export interface KeptDisplay {
  /** number of the event that has it */
  seq: number;
  /** of its contents */
  media_types: string[];
  /** of its contents together, as they are written */
  size_bytes: number;
  /**
   * MIME type to content, as in the event; `null` in the event `finished`, beyond 4 MiB of all displays of an
   * answer, and where the client wants them described only
   */
  data: Record<string, string> | null;
}

/** One language at one version. */
export interface Language {
  /** canonical name ("javascript") */
  name: string;
  /** for people ("JavaScript (Node.js)") */
  display_name: string;
  /** of the runtime, as measured at set-up */
  version: string;
  /** other names requests may use ("js", "node") */
  aliases: string[];
  /** default file name of the program ("main.py") */
  entrypoint: string;
  /**
   * `in_place` (the warm interpreter runs it), `warm_exec` (a started program waits for it), `exec` (argv is
   * executed), `page` (nothing is executed: the source is shown)
   */
  mode: "in_place" | "warm_exec" | "exec" | "page";
  /** a small program to begin with */
  example: string;
  /** what an editor colours it by, as the page names its grammars; empty: it is plain text */
  grammar: string;
}

/** Bounds to set for this execution; absent ones keep the default. */
export interface LimitsBody {
  /** real time from the start of the program, milliseconds */
  wall_time_ms?: number | null;
  /** user plus system time of all its processes together */
  cpu_time_ms?: number | null;
  /** memory of all its processes and files in memory together */
  memory_bytes?: number | null;
  /** processes and threads alive at once */
  processes?: number | null;
  /** descriptors per process; with less than 4 no program begins */
  open_files?: number | null;
  /** bytes of files in the workspace; the same again in /tmp */
  workspace_bytes?: number | null;
  /** bytes of stdout, stderr and displays together; each display counts 1 KiB besides */
  output_bytes?: number | null;
}

/** One page of a list. */
export interface Listing {
  executions: ExecutionSummary[];
  /**
   * says where the next one begins, whatever begins or is forgotten meanwhile; `null`: this is the last. A
   * page may have fewer than were asked for before it
   */
  next_page: string | null;
}

/** What a deployment can run; each of its classes may run something else. */
export interface Offer {
  /** of a request that names no class */
  languages: Language[];
  /** of one that does, by the name of the class */
  classes: Record<string, Language[]>;
}

/** Something new or changed that a program left and that is not among the files. */
export interface OmittedFile {
  /**
   * in the workspace; where that is no legal path of a file, its printable form. A folder's where it was not,
   * or not wholly, looked through; "." is the workspace
   */
  path: string;
  /** of a regular file; `null` of anything else */
  size_bytes: number | null;
  /**
   * `too_large`: more than all files together may have; `no_room`: more than the others left of that;
   * `too_many`: so many files are there, or a folder has so many names; `too_deep`: a folder below too many
   * others; `not_regular`: a link, a pipe, a socket; `hard_link`: a file with a second name; `unreadable`:
   * its mode forbids it; `unnameable`: its path is too long, or not UTF-8; `lost`: the workspace, whose cell
   * did not answer any more
   */
  reason: "too_large" | "no_room" | "too_many" | "too_deep" | "not_regular" | "hard_link" | "unreadable" | "unnameable" | "lost";
}

/** How one stage ended. */
export interface Outcome {
  verdict: Verdict;
  /** the program's own; `null` when a signal ended it */
  exit_code: number | null;
  /** name of that signal ("SIGKILL"); `null` otherwise */
  signal: string | null;
  usage: Usage;
  /** what the platform has to say about it, for a person */
  message: string;
}

/** Waiting; `position` 0 is next in line. */
export interface Queued {
  seq: number;
  type: "queued";
  position: number;
  /**
   * how long that takes from here, as places came free lately; `null` where nothing was measured, or where it
   * is a cell that is waited for
   */
  wait_ms: number | null;
}

/** The client's terminal has a new size. */
export interface ResizeControl {
  type: "resize";
  columns: number;
  rows: number;
}

/** The whole of what came of an execution. */
export interface Result {
  /** the execution's, 128 random bits or more */
  id: string;
  verdict: Verdict;
  stages: Stage[];
  /** kept up to 2 MiB of both and the output limit, whatever the verdict */
  stdout: string;
  /** kept up to 2 MiB of both and the output limit, whatever the verdict */
  stderr: string;
  /** both, in order of arrival */
  output: string;
  /** whether output was cut at the limit, or a display left out */
  truncated: boolean;
  usage: Usage;
  /** new or changed files, bounded in number and size */
  files: File[];
  /** what else was new or changed, and why it is not among the files; the first 64 */
  omitted: OmittedFile[];
  /** how many such there were, the ones in `omitted` included */
  files_left_out: number;
  /** what was displayed, in its order, as far as there is an event of it */
  displays: KeptDisplay[];
  /** how many displays are not among the events: too large, too many, or none */
  displays_left_out: number;
  /** whether an interpreter that had been started ahead ran it; false for languages that have none */
  warm: boolean;
  /** what the platform did to the program; empty if nothing */
  message: string;
}

/** Send a signal to the program's foreground process group. */
export interface SignalControl {
  type: "signal";
  name: "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGQUIT" | "SIGUSR1" | "SIGUSR2" | "SIGKILL";
}

/** A named stage and how it ended. */
export interface Stage {
  stage: string;
  outcome: Outcome;
}

/** A stage began. */
export interface Started {
  seq: number;
  type: "started";
  stage: string;
}

/** Bytes for the program's standard input. Its bytes come as text or as base64. */
export interface StdinControl {
  type: "stdin";
  data?: string | null;
  data_base64?: string | null;
}

/** A piece of output, whole characters wherever the program wrote UTF-8. */
export interface Stream {
  seq: number;
  type: "stream";
  stage: string;
  name: "stdout" | "stderr";
  data: string;
}

/** What a ticket is good for. */
export interface TicketBody {
  /** To follow this execution; without it, to begin one by WebSocket. */
  execution?: string | null;
}

/** A ticket, and when it expires (RFC 3339, UTC). */
export interface Ticket {
  ticket: string;
  expires_at: string;
}

/** For which of a key's users, how far, and for how long. */
export interface TokenBody {
  /** Whose the token is, as the platform calls him. */
  user: string;
  /** Among the key's; by default those of execute, read and control that it has. */
  scopes?: ("execute" | "read" | "control" | "metrics" | "admin")[] | null;
  /** Beside those of the key. */
  limits?: GrantBody | null;
  /** From now on; never longer than the key. */
  expires_in_s?: number;
}

/** A token, and when it expires (RFC 3339, UTC). */
export interface Token {
  token: string;
  expires_at: string;
}

/** What a stage has used up to now; memory and processes are those of this moment. */
export interface UsageSample {
  seq: number;
  type: "usage";
  stage: string;
  usage: Usage;
}

/** What was used; `null` where this host cannot measure it. */
export interface Usage {
  wall_time_ms: number;
  cpu_time_ms: number | null;
  memory_bytes: number | null;
  processes: number | null;
  /** of stdout, stderr and displays, each display with 1 KiB besides */
  output_bytes: number;
}

/** How a stage, or the whole execution, ended. */
export type Verdict = "accepted" | "wrong_answer" | "compilation_error" | "runtime_error" | "time_limit_exceeded" | "memory_limit_exceeded" | "output_limit_exceeded" | "process_limit_exceeded" | "workspace_limit_exceeded" | "cancelled" | "internal_error";

/** Each kind of event there is; a page that meets another is older than its server. */
export const EVENT_TYPES = ["queued", "started", "stream", "display", "usage", "exited", "finished"] as const;
