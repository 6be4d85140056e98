/**
 * <vibe-cell>: an editor, a cell to run its program in, and what joins them.
 *
 * Owns the state of one run at a time. Attribute: `language`, shown first.
 */

import { UsageChart } from "./chart";
import { Run, type RunListener } from "./connection";
import { icon, ICONS } from "./dom";
import { Editor } from "./editor";
import { Exhibits } from "./exhibits";
import { askForKey } from "./keydialog";
import { findLanguages } from "./languages";
import { type Layout, layout } from "./layout";
import { Notice } from "./notice";
import { Page } from "./page";
import { Programs } from "./programs";
import { type ExecuteRequest, isPage, type Language, type Problem, type Result, type ServerEvent } from "./protocol";
import { splitter } from "./splitter";
import { storage } from "./storage";
import { Strip } from "./strip";
import { Terminal } from "./terminal";
import * as theme from "./theme";

/** A person who is asked something needs longer than a program alone; a
 * deployment that does not grant it is asked again for its default. */
const CONVERSATION_MS = 120_000;
const SAVE_SEQ_MS = 250;
const USAGE_INTERVAL_MS = 500;
const NOTICE_MS = 5000;
const NARROW = matchMedia("(max-width: 820px)");

const last = (characters: number): string => (characters === 1 ? "The last character you typed" : `The last ${characters} characters you typed`);

/** After the browser has drawn what there is. */
const whenPainted = (then: () => void): void => void requestAnimationFrame(() => setTimeout(then));

/** When the browser has nothing better to do; Safari does not say when that is. */
const whenIdle = (then: () => void): void => {
  if ("requestIdleCallback" in window) window.requestIdleCallback(then, { timeout: 2000 });
  else setTimeout(then, 200);
};

export class VibeCell extends HTMLElement {
  private parts!: Layout;
  private editor!: Editor;
  private programs!: Programs;
  private notice!: Notice;
  private terminal!: Terminal;
  private strip!: Strip;
  private readonly page = new Page();
  private readonly exhibits = new Exhibits();
  private readonly chart = new UsageChart();
  private run: Run | null = null;
  /** Of this run: whether its connection was lost, and whether the person stopped it. */
  private wasLost = false;
  private wasStopped = false;
  private ready = false;
  private runWhenReady = false;
  private saveTimer = 0;

  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    this.parts = layout();
    const { header, work, cellPane, lumen, strip } = this.parts;
    work.append(splitter(work), cellPane);
    lumen.append(this.page.element);
    strip.before(this.exhibits.element);
    this.parts.elapsed.before(this.chart.element);
    this.append(header, work);
    this.strip = new Strip(cellPane, this.parts.verdict, this.parts.elapsed);
    this.notice = new Notice(this.parts.notice);
    this.editor = new Editor(this.parts.editor, {
      changed: (code) => this.programs.changed(code),
      run: () => this.start(),
    });
    this.programs = new Programs(this.parts, this.editor);
    this.terminal = new Terminal(this.parts.terminal, {
      input: (data) => this.input(data),
      resized: (columns, rows) => this.run?.send({ type: "resize", columns, rows }),
      run: () => this.start(),
      live: () => this.running,
    });
    lumen.append(this.terminal.transcript.element);
    this.bind();
    this.showTheme();
    this.programs.presume(this.wanted());
    if (!NARROW.matches) this.editor.focus();
    void this.begin();
    whenPainted(() => void this.improve());
  }

  /** Languages a person may mean, the likeliest first. */
  private wanted(): (string | null | undefined)[] {
    return [storage.run()?.language, storage.preference("language"), this.getAttribute("language")];
  }

  /** The page is there: now what makes it better, one after the other. */
  private async improve(): Promise<void> {
    try {
      await this.editor.improve();
    } catch {
      this.notice.say(`The editor with colours could not be loaded. This plain one works, too.`, "bad");
      window.addEventListener("online", () => void this.improve(), { once: true });
    }
    whenIdle(() => void this.openTerminal());
  }

  private async openTerminal(): Promise<void> {
    try {
      await this.terminal.open();
      this.resizeProgram();
      this.parts.cellPane.classList.remove("is-plain");
    } catch {
      this.parts.cellPane.classList.add("is-plain");
      this.notice.say("The terminal could not be loaded; output is shown as plain text. Load the page again: your program is kept.", "bad");
    }
  }

  private get running(): boolean {
    return this.run?.active === true;
  }

  private bind(): void {
    const { parts } = this;
    parts.run.addEventListener("click", () => this.start());
    parts.stop.addEventListener("click", () => this.stop());
    parts.eof.addEventListener("click", () => this.run?.send({ type: "end_of_input" }));
    parts.clear.addEventListener("click", () => this.clear());
    parts.key.addEventListener("click", () => void (this.ready && askForKey()));
    parts.theme.addEventListener("click", () => {
      theme.advance();
      this.showTheme();
    });
    theme.onSystemChange(() => this.showTheme());
    const tabs = [parts.showCode, parts.showOutput] as const;
    for (const tab of tabs) {
      tab.addEventListener("click", () => this.showTab(tab === parts.showCode ? "code" : "output"));
      tab.addEventListener("keydown", (event) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        this.showTab(tab === parts.showCode ? "output" : "code");
        (tab === parts.showCode ? parts.showOutput : parts.showCode).focus();
      });
    }
    this.showTab("code");
    document.addEventListener("keydown", (event) => {
      const bare = !event.defaultPrevented && event.key === "Enter" && (event.ctrlKey || event.metaKey);
      if (!bare || document.querySelector("dialog[open]") !== null) return;
      event.preventDefault();
      this.start();
    });
    window.addEventListener("pagehide", () => this.saveRun());
  }

  private async begin(): Promise<void> {
    const found = await this.findLanguages();
    const kept = storage.run();
    this.programs.offer(found, this.wanted());
    this.ready = true;
    this.say(found.length > 0 ? "Ready" : "This server has no languages");
    this.setRunning(false);
    if (this.runWhenReady) this.start();
    else if (kept !== null) this.resume(kept.id, kept.seq);
  }

  private findLanguages(): Promise<Language[]> {
    return findLanguages(this.parts.key, (words, tone) => this.say(words, tone));
  }

  private start(): void {
    const { language } = this.programs;
    if (language === null || !this.ready) {
      this.runWhenReady = true;
      return;
    }
    if (this.running) {
      this.say("A program is running: stop it first");
      return;
    }
    this.runWhenReady = false;
    const page = isPage(language);
    this.prepare(page);
    if (!page && !NARROW.matches) this.terminal.focus();
    this.showTab("output");
    const request: ExecuteRequest = { code: this.editor.code, language: language.name, interactive: !page, on_disconnect: "cancel", ...(page ? {} : { ...this.terminal.size, usage_interval_ms: USAGE_INTERVAL_MS }) };
    const listener = this.listener(language, 0);
    if (page) {
      this.run = Run.start(request, listener);
      return;
    }
    this.run = Run.start({ ...request, limits: { wall_time_ms: CONVERSATION_MS } }, {
      ...listener,
      failed: (problem, unsent) => {
        const tooMuch = problem.status === 422 && problem.detail.includes("limits.wall_time_ms");
        if (tooMuch) this.run = Run.start(request, listener);
        else listener.failed(problem, unsent);
      },
    });
  }

  private stop(): void {
    this.wasStopped = true;
    this.run?.cancel();
    if (this.run?.waits) this.notice.say("The program is stopped as soon as the connection is back.", "bad");
  }

  private input(data: string): void {
    if (this.run?.send({ type: "stdin", data }) === false && this.run.waits) {
      this.notice.say("No more of what you type can be kept until the connection is back.", "bad");
    }
  }

  /** Goes on with the run this tab had before it was loaded again. */
  private resume(id: string, answeredSeq: number): void {
    const { language } = this.programs;
    if (language === null) return;
    this.prepare(isPage(language));
    this.showTab("output");
    const listener = this.listener(language, answeredSeq);
    this.run = Run.attach(id, {
      ...listener,
      failed: (problem, unsent) => (problem.status === 404 ? this.forget() : listener.failed(problem, unsent)),
    });
    this.keptRun = { id, language: language.name, seq: answeredSeq };
  }

  private keptRun: { id: string; language: string; seq: number } | null = null;

  private listener(language: Language, answeredSeq: number): RunListener {
    return {
      accepted: (id) => {
        this.keptRun = { id, language: language.name, seq: 0 };
        this.saveRun();
        this.resizeProgram();
      },
      event: (event) => {
        if (this.keptRun !== null) this.keptRun.seq = Math.max(this.keptRun.seq, event.seq);
        this.saveTimer ||= window.setTimeout(() => this.saveRun(), SAVE_SEQ_MS);
        this.receive(event, language, event.seq <= answeredSeq);
      },
      unknown: (type) => {
        this.notice.say(`This page does not know the event "${type.slice(0, 40)}". Load it again.`, "bad");
      },
      interrupted: () => {
        this.wasLost = true;
        this.say("Connection lost", "bad");
        this.notice.say(`${navigator.onLine ? "Connection lost" : "You are offline"}. Going back to this run as soon as possible; what you type until then is kept and sent.`, "bad");
      },
      restored: (doubtful) => {
        this.say("Connected again");
        if (doubtful === 0) this.notice.say("Connected again. Nothing was lost.", "good", NOTICE_MS);
        else this.notice.say(`Connected again. ${last(doubtful)} before the connection was lost may not have reached the program.`, "bad");
        this.resizeProgram();
      },
      failed: (problem, unsent) => void this.fail(problem, unsent),
    };
  }

  private receive(event: ServerEvent, language: Language, replay: boolean): void {
    switch (event.type) {
      case "queued":
        this.strip.waiting(event.position, event.wait_ms);
        return;
      case "started":
        this.strip.running();
        this.chart.clear();
        this.resizeProgram();
        return;
      case "stream":
        // stderr is a pipe, not a terminal: nobody has put the carriage returns.
        this.terminal.write(event.name === "stderr" ? `\x1b[31m${event.data.replace(/\r?\n/g, "\r\n")}\x1b[39m` : event.data, replay);
        return;
      case "display":
        this.exhibits.display(event.data);
        return;
      case "usage":
        this.chart.add(event.usage);
        return;
      case "exited":
        return;
      case "finished":
        this.strip.finished(event.result, isPage(language), this.whyCancelled(event.result));
        if (this.whyCancelled(event.result) !== "") this.notice.clear();
        this.exhibits.show(event.result.files, event.result.omitted, event.result.files_left_out);
        if (isPage(language) && event.result.verdict === "accepted" && this.keptRun !== null) this.page.show(this.keptRun.id);
        this.settle();
        return;
      default:
        event satisfies never; // one that was added to the contract has its case here
    }
  }

  /** A run that nobody watches for a while is stopped; the person who lost the connection did not do that. */
  private whyCancelled({ verdict }: Result): string {
    return verdict === "cancelled" && this.wasLost && !this.wasStopped ? "The connection was away for too long, so the server stopped the program." : "";
  }

  private async fail(problem: Problem, unsent: number): Promise<void> {
    this.strip.refused(problem, this.keptRun !== null);
    this.settle();
    if (unsent > 0) this.notice.say(`${last(unsent)} did not reach the program.`, "bad");
    else if (this.wasLost) this.notice.clear();
    // A browser does not say why a socket was refused; plain HTTP does.
    if (problem.status === null || problem.status === 401 || problem.status === 403) {
      this.say("Checking the server…");
      await this.findLanguages();
      this.say("Ready");
    }
  }

  private forget(): void {
    this.keptRun = null;
    storage.keepRun(null);
    this.strip.idle();
    this.settle();
    this.notice.clear();
    this.showTab("code");
  }

  private prepare(page: boolean): void {
    this.terminal.reset();
    this.exhibits.clear();
    this.chart.clear();
    this.page.hide();
    this.parts.cellPane.classList.toggle("is-page", page);
    this.strip.progress("Starting");
    this.keptRun = null;
    this.setRunning(true);
    this.wasLost = this.wasStopped = false;
    this.notice.clear();
    this.say("Connected");
    void this.openTerminal();
  }

  private settle(): void {
    this.saveRun();
    this.setRunning(false);
    this.say("Ready");
    // Who ran it from the editor and did not talk to it goes on writing.
    if (this.terminal.focused && !this.terminal.typed) this.editor.focus();
  }

  private setRunning(running: boolean): void {
    const { parts } = this;
    parts.run.disabled = running || this.programs.language === null;
    parts.stop.disabled = parts.eof.disabled = !running;
    this.classList.toggle("running", running);
  }

  private clear(): void {
    this.terminal.clear();
    this.page.clearConsole();
    if (this.running) return;
    this.terminal.reset();
    this.page.hide();
    this.exhibits.clear();
    this.chart.clear();
    this.parts.cellPane.classList.remove("is-page");
    this.strip.idle();
    this.keptRun = null;
    storage.keepRun(null);
  }

  private saveRun(): void {
    window.clearTimeout(this.saveTimer);
    this.saveTimer = 0;
    if (this.keptRun !== null) storage.keepRun(this.keptRun);
  }

  private resizeProgram(): void {
    const { size } = this.terminal;
    if (size !== null) this.run?.send({ type: "resize", ...size });
  }

  private say(words: string, tone: "good" | "bad" = "good"): void {
    this.parts.status.textContent = words;
    this.parts.status.dataset.tone = tone;
  }

  private showTab(tab: "code" | "output"): void {
    const { showCode, showOutput } = this.parts;
    this.dataset.tab = tab;
    for (const [button, on] of [[showCode, tab === "code"], [showOutput, tab === "output"]] as const) {
      button.setAttribute("aria-selected", String(on));
      button.tabIndex = on ? 0 : -1;
    }
  }

  private showTheme(): void {
    const chosen = theme.choice();
    const looks = { auto: ["auto", "Colours: as the system"], light: ["sun", "Colours: light"], dark: ["moon", "Colours: dark"] } as const;
    const [name, label] = looks[chosen];
    this.parts.theme.replaceChildren(icon(ICONS[name]));
    this.parts.theme.setAttribute("aria-label", label);
    this.parts.theme.title = label;
    this.terminal.applyTheme();
  }
}
