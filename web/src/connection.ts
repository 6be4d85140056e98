/**
 * One run on one WebSocket at a time: starts it, or attaches to it again after
 * a lost connection, and gives its events in order, each once.
 *
 * Law: events come out by rising `seq` without repetition, whatever was lost
 * and re-read in between.
 */

import { address, ApiError, executionIsKept, executionPath } from "./api";
import { type Control, type ExecuteRequest, parseMessage, type Problem, type ServerEvent } from "./protocol";
import { storage } from "./storage";

export interface RunListener {
  accepted(id: string): void;
  event(event: ServerEvent): void;
  /** An event came that this page has no words for. */
  unknown(type: string): void;
  /** The connection went away in the middle; it is being restored. */
  interrupted(): void;
  restored(): void;
  /** The run cannot be shown further: refused, or lost for good. */
  failed(problem: Problem): void;
}

const RETRY_DELAYS_MS = [200, 400, 800, 1500, 3000, 5000, 8000];
const KEY_PROTOCOL = "vibecell.key.";
const HTTP_TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function openSocket(path: string): WebSocket {
  const url = address(path);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const key = storage.key();
  // A browser cannot set headers on a WebSocket: the key goes as a subprotocol.
  if (key === null || !HTTP_TOKEN.test(key)) return new WebSocket(url);
  return new WebSocket(url, [KEY_PROTOCOL + key]);
}

export class Run {
  private socket: WebSocket | null = null;
  private id: string | null = null;
  private lastSeq = 0;
  private attempts = 0;
  private ended = false;
  private cancelling = false;
  private retryTimer = 0;

  private constructor(private readonly listener: RunListener) {}

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

  /** Sends a control; dropped when there is no connection to send it on. */
  send(control: Control): boolean {
    if (this.ended || this.id === null || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.sendRaw(control);
    return true;
  }

  /** Stops the run: now, or as soon as there is a connection to say so on. */
  cancel(): void {
    this.cancelling = !this.send({ type: "cancel" });
  }

  private sendRaw(message: object): void {
    this.socket?.send(JSON.stringify(message));
  }

  private reattach(): void {
    if (this.id === null) return;
    const interrupted = this.attempts > 0;
    this.connect(`${executionPath(this.id)}/stream?after=${this.lastSeq}`, () => {
      if (interrupted) this.listener.restored();
      if (this.cancelling) this.cancel();
    });
  }

  private connect(path: string, opened: () => void): void {
    const socket = openSocket(path);
    this.socket = socket;
    let wasOpen = false;
    socket.addEventListener("open", () => {
      wasOpen = true;
      opened();
    });
    socket.addEventListener("message", ({ data }) => {
      if (this.socket === socket && typeof data === "string") this.receive(data);
    });
    socket.addEventListener("close", (close) => {
      if (this.socket === socket && !this.ended) void this.lost(wasOpen, close);
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
        if (this.cancelling) this.cancel();
        return;
      case "event":
        this.attempts = 0;
        if (message.event.seq <= this.lastSeq) return;
        this.lastSeq = message.event.seq;
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

  private async lost(wasOpen: boolean, close: CloseEvent): Promise<void> {
    if (this.id === null) {
      this.fail({
        title: wasOpen ? "The server closed the connection" : "The run could not be started",
        detail: close.reason || (wasOpen ? `Close code ${close.code}.` : ""),
        status: null,
      });
      return;
    }
    if (!wasOpen && (await this.isGone(this.id))) {
      this.fail({ title: "This run is no longer kept by the server", detail: "", status: 404 });
      return;
    }
    const delay = RETRY_DELAYS_MS[this.attempts];
    if (delay === undefined) {
      this.fail({ title: "The connection to this run was lost", detail: close.reason, status: null });
      return;
    }
    this.attempts += 1;
    this.listener.interrupted();
    this.retryTimer = window.setTimeout(() => this.reattach(), delay);
  }

  /** A browser hides why a WebSocket was refused, so plain HTTP is asked. */
  private async isGone(id: string): Promise<boolean> {
    try {
      return !(await executionIsKept(id));
    } catch (error) {
      if (error instanceof ApiError) return false;
      throw error;
    }
  }

  private fail(problem: Problem): void {
    if (this.ended) return;
    this.end();
    this.listener.failed(problem);
  }

  private end(): void {
    this.ended = true;
    window.clearTimeout(this.retryTimer);
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
  }
}
