/**
 * One run on one WebSocket at a time: starts it, or attaches to it again after
 * a lost connection, and gives its events in order, each once.
 *
 * Laws: events come out by rising `seq` without repetition, whatever was lost and
 * re-read in between; what is typed goes up in its order, once, or is told to be in doubt.
 */

import { address, executionPath, whyRefused } from "./api";
import { Outbox } from "./outbox";
import { type Control, type ExecuteRequest, parseMessage, type Problem, type ServerEvent } from "./protocol";
import { storage } from "./storage";

export interface RunListener {
  accepted(id: string): void;
  event(event: ServerEvent): void;
  /** An event came that this page has no words for. */
  unknown(type: string): void;
  /** The connection went away in the middle; it is being restored. */
  interrupted(): void;
  /** It is back; `doubtful` characters of input may not have arrived before it went. */
  restored(doubtful: number): void;
  /** The run cannot be shown further: refused, or lost for good; `unsent` characters of input went nowhere. */
  failed(problem: Problem, unsent: number): void;
}

const RETRY_DELAYS_MS = [200, 400, 800, 1500, 3000, 5000];
/** No run lasts longer on most servers; after it there is nothing to go back to. */
const GIVE_UP_MS = 180_000;
/** What the server answers with: a browser gives up where nothing that it offered is chosen. */
const PROTOCOL = "vibecell.v1";
/** Three parts of base64url. Source: RFC 7515 section 3.1. */
const TOKEN = /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/;

function openSocket(path: string): WebSocket {
  const url = address(path);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const key = storage.key();
  if (key === null) return new WebSocket(url);
  // A browser cannot set headers on a WebSocket: the key, or token, goes as a subprotocol.
  return new WebSocket(url, [PROTOCOL, `vibecell.${TOKEN.test(key) ? "token" : "key"}.${key}`]);
}

function notBegun(refused: boolean, why: Problem | null, reason: string): Problem {
  if (!refused) return { title: "The connection was lost before the run began", detail: reason, status: null };
  const detail = why?.title ?? "The server answers, but something between it and this browser holds back live connections (WebSockets).";
  return { title: "The run could not be started", detail, status: null };
}

export class Run {
  private socket: WebSocket | null = null;
  private id: string | null = null;
  private lastSeq = 0;
  private attempts = 0;
  private lostSince: number | null = null;
  private ended = false;
  private cancelling = false;
  private retryTimer = 0;
  private readonly outbox = new Outbox();
  private readonly online = (): void => this.retryNow();
  private readonly offline = (): void => this.drop();

  private constructor(private readonly listener: RunListener) {
    window.addEventListener("online", this.online);
    window.addEventListener("offline", this.offline);
  }

  static start(request: ExecuteRequest, listener: RunListener): Run {
    const run = new Run(listener);
    run.connect("v1/executions/stream", () => run.sendRaw({ type: "execute", ...request }));
    return run;
  }

  /** Attaches to a run begun earlier and replays it from its first event. */
  static attach(id: string, listener: RunListener): Run {
    const run = new Run(listener);
    run.id = id;
    run.reattach();
    return run;
  }

  get active(): boolean {
    return !this.ended;
  }

  /** Whether what is sent now waits for a connection that was lost. */
  get waits(): boolean {
    return this.active && this.lostSince !== null;
  }

  /**
   * Sends a control, or keeps input until there is a connection to send it on.
   * Returns whether it was sent or is kept; what is neither is dropped.
   */
  send(control: Control): boolean {
    if (this.ended) return false;
    if (this.connected) {
      this.outbox.sent(control);
      this.sendRaw(control);
      return true;
    }
    return this.outbox.keep(control);
  }

  /** Stops the run: now, or as soon as there is a connection to say so on. */
  cancel(): void {
    this.cancelling = !this.connected;
    if (this.connected) this.sendRaw({ type: "cancel" });
  }

  private get connected(): boolean {
    return !this.ended && this.id !== null && this.lostSince === null && this.socket?.readyState === WebSocket.OPEN;
  }

  private sendRaw(message: object): void {
    this.socket?.send(JSON.stringify(message));
  }

  /** What was asked for before there was anybody to ask. */
  private catchUp(): void {
    if (this.cancelling) this.cancel();
    for (const control of this.outbox.take()) this.send(control);
  }

  private reattach(): void {
    if (this.id === null) return;
    this.connect(`${executionPath(this.id)}/stream?after=${this.lastSeq}`, () => {
      const wasLost = this.lostSince !== null;
      this.lostSince = null;
      if (wasLost) this.listener.restored(this.outbox.doubtful());
      this.catchUp();
    });
  }

  private connect(path: string, opened: () => void): void {
    const socket = openSocket(path);
    this.socket = socket;
    let wasOpen = false;
    socket.addEventListener("open", () => {
      if (this.socket !== socket) return;
      wasOpen = true;
      opened();
    });
    socket.addEventListener("message", ({ data }) => {
      if (this.socket === socket && typeof data === "string") this.receive(data);
    });
    socket.addEventListener("close", (close) => {
      if (this.socket === socket && !this.ended) void this.lost(wasOpen ? null : path, close.reason);
    });
  }

  private receive(text: string): void {
    if (this.ended) return;
    const message = parseMessage(text);
    switch (message.kind) {
      case "accepted":
        this.attempts = 0;
        if (this.id === message.id) return;
        this.id = message.id;
        this.listener.accepted(message.id);
        this.catchUp();
        return;
      case "event":
        this.attempts = 0;
        if (message.event.seq <= this.lastSeq) return;
        this.lastSeq = message.event.seq;
        this.outbox.heard(message.event);
        if (message.event.type === "finished") this.end();
        this.listener.event(message.event);
        return;
      case "unknown":
        this.attempts = 0;
        this.lastSeq = Math.max(this.lastSeq, message.seq);
        this.listener.unknown(message.type);
        return;
      case "problem":
        this.fail(message.problem);
        return;
      case "ignored":
    }
  }

  /** The browser knows that there is no network: a socket would notice only after minutes. */
  private drop(): void {
    const { socket } = this;
    if (this.ended || socket === null || this.id === null) return;
    this.socket = null;
    socket.close();
    void this.lost(null, "");
  }

  /** `refused`: the path of a connection that never was one. */
  private async lost(refused: string | null, reason: string): Promise<void> {
    const { socket } = this;
    const why = refused === null ? null : await whyRefused(refused);
    if (this.ended || this.socket !== socket) return; // another one was opened meanwhile
    if (this.id === null) {
      this.fail(why !== null && why.status !== null ? why : notBegun(refused !== null, why, reason));
      return;
    }
    if (this.lostSince === null) {
      this.lostSince = performance.now();
      this.listener.interrupted();
    }
    if (why?.status === 404) {
      this.fail({ title: "The server does not know this run any more", detail: "It was probably started anew.", status: 404 });
      return;
    }
    if (why?.status === 401 || why?.status === 403) {
      this.fail(why);
      return;
    }
    if (performance.now() - this.lostSince > GIVE_UP_MS) {
      this.fail({ title: "The connection to this run was lost", detail: reason, status: null });
      return;
    }
    const delay = RETRY_DELAYS_MS[Math.min(this.attempts, RETRY_DELAYS_MS.length - 1)];
    this.attempts += 1;
    window.clearTimeout(this.retryTimer);
    this.retryTimer = window.setTimeout(() => this.reattach(), delay);
  }

  private retryNow(): void {
    if (!this.waits || this.socket?.readyState === WebSocket.CONNECTING) return;
    window.clearTimeout(this.retryTimer);
    this.attempts = 0;
    this.reattach();
  }

  private fail(problem: Problem): void {
    if (this.ended) return;
    this.end();
    this.listener.failed(problem, this.outbox.unsent());
  }

  private end(): void {
    this.ended = true;
    window.clearTimeout(this.retryTimer);
    window.removeEventListener("online", this.online);
    window.removeEventListener("offline", this.offline);
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
  }
}
