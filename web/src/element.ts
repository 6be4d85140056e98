/**
 * <vibe-cell>: an editor, a cell to run its program in, and what joins them.
 *
 * Owns the state of one run at a time. Attribute: `language`, shown first.
 */

import { ApiError, fetchLanguages } from "./api";
import { Run, type RunListener } from "./connection";
import { h, icon, ICONS } from "./dom";
import { Editor } from "./editor";
import { examples } from "./examples";
import { Exhibits } from "./exhibits";
import { askForKey } from "./keydialog";
import { type Layout, layout } from "./layout";
import { Page } from "./page";
import { type ExecuteRequest, isPage, type Language, type Problem, type ServerEvent } from "./protocol";
import { splitter } from "./splitter";
import { storage } from "./storage";
import { Strip } from "./strip";
import { Terminal } from "./terminal";
import * as theme from "./theme";

/** A person who is asked something needs longer than a program alone; a
 * deployment that does not grant it is asked again for its default. */
const CONVERSATION_MS = 120_000;
const RETRY_LANGUAGES_MS = 3000;
const SAVE_SEQ_MS = 250;
const NARROW = matchMedia("(max-width: 820px)");

export class VibeCell extends HTMLElement {
  private parts!: Layout;
  private editor!: Editor;
  private terminal!: Terminal;
  private strip!: Strip;
  private readonly page = new Page();
  private readonly exhibits = new Exhibits();
  private languages: Language[] = [];
  private language: Language | null = null;
  private run: Run | null = null;
  private saveTimer = 0;

  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    this.parts = layout();
    const { header, work, cellPane, lumen, strip } = this.parts;
    work.append(splitter(work), cellPane);
    lumen.append(this.page.element);
    strip.before(this.exhibits.gallery, this.exhibits.files);
    this.append(header, work);
    this.strip = new Strip(cellPane, this.parts.verdict, this.parts.elapsed);
    this.editor = new Editor(this.parts.editor, {
      changed: (code) => this.language && storage.keepCode(this.language.name, code),
      run: () => this.start(),
    });
    this.terminal = new Terminal(this.parts.terminal, {
      input: (data) => this.run?.send({ type: "stdin", data }),
      resized: (columns, rows) => this.run?.send({ type: "resize", columns, rows }),
      run: () => this.start(),
      live: () => this.running,
    });
    this.bind();
    this.showTheme();
    void this.begin();
  }

  private get running(): boolean {
    return this.run?.active === true;
  }

  private bind(): void {
    const { parts } = this;
    parts.run.addEventListener("click", () => this.start());
    parts.stop.addEventListener("click", () => this.run?.cancel());
    parts.eof.addEventListener("click", () => this.run?.send({ type: "end_of_input" }));
    parts.clear.addEventListener("click", () => this.clear());
    parts.language.addEventListener("change", () => this.choose(parts.language.value));
    parts.example.addEventListener("change", () => this.loadExample());
    parts.key.addEventListener("click", () => void askForKey());
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
    const [found] = await Promise.all([this.findLanguages(), this.terminal.open()]);
    this.languages = found;
    const { language } = this.parts;
    language.replaceChildren(...found.map((l) => h("option", { value: l.name }, l.display_name)));
    language.disabled = false;
    const kept = storage.run();
    const wanted = [kept?.language, storage.preference("language"), this.getAttribute("language")];
    const first = wanted.find((name) => found.some((l) => l.name === name)) ?? found[0]?.name;
    if (first !== undefined) this.choose(first);
    this.say(found.length > 0 ? "Ready" : "This server has no languages");
    this.setRunning(false);
    if (kept !== null) this.resume(kept.id, kept.seq);
    else if (!NARROW.matches) this.editor.focus();
  }

  /** Asks until the server answers; a key only if it wants one. */
  private async findLanguages(): Promise<Language[]> {
    for (;;) {
      try {
        return await fetchLanguages();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.problem.status === 401 || error.problem.status === 403) {
          this.say("An API key is needed", "bad");
          this.parts.key.hidden = false;
          storage.keepKey(null);
          while (!(await askForKey())) await new Promise((resolve) => this.parts.key.addEventListener("click", resolve, { once: true }));
        } else {
          this.say(`${error.message}. Trying again…`, "bad");
          await new Promise((resolve) => setTimeout(resolve, RETRY_LANGUAGES_MS));
        }
      }
    }
  }

  private choose(name: string): void {
    const language = this.languages.find((l) => l.name === name);
    if (language === undefined) return;
    this.language = language;
    storage.keepPreference("language", name);
    const { parts } = this;
    parts.language.value = name;
    parts.version.replaceChildren(h("code", {}, language.entrypoint), language.version);
    const offered = examples(name, language.example ?? "");
    parts.example.replaceChildren(
      h("option", { value: "" }, "Examples"),
      ...offered.map((e, i) => h("option", { value: String(i) }, e.title)),
    );
    this.editor.show(language, storage.code(name) ?? offered[0]?.code ?? "");
  }

  private loadExample(): void {
    const { example } = this.parts;
    if (this.language === null || example.value === "") return;
    const chosen = examples(this.language.name, this.language.example ?? "")[Number(example.value)];
    example.value = "";
    if (chosen === undefined) return;
    this.editor.replace(chosen.code);
    this.showTab("code");
    this.editor.focus();
  }

  private start(): void {
    const { language } = this;
    if (language === null) return;
    if (this.running) {
      this.say("A program is running: stop it first");
      return;
    }
    const page = isPage(language);
    this.prepare(page);
    if (!page && !NARROW.matches) this.terminal.focus();
    this.showTab("output");
    const request: ExecuteRequest = { code: this.editor.code, language: language.name, interactive: !page, on_disconnect: "cancel" };
    const listener = this.listener(language, 0);
    if (page) {
      this.run = Run.start(request, listener);
      return;
    }
    this.run = Run.start({ ...request, limits: { wall_time_ms: CONVERSATION_MS } }, {
      ...listener,
      failed: (problem) => {
        const tooMuch = problem.status === 422 && problem.detail.includes("limits.wall_time_ms");
        if (tooMuch) this.run = Run.start(request, listener);
        else listener.failed(problem);
      },
    });
  }

  /** Goes on with the run this tab had before it was loaded again. */
  private resume(id: string, answeredSeq: number): void {
    const { language } = this;
    if (language === null) return;
    this.prepare(isPage(language));
    this.showTab("output");
    const listener = this.listener(language, answeredSeq);
    this.run = Run.attach(id, {
      ...listener,
      failed: (problem) => (problem.status === 404 ? this.forget() : listener.failed(problem)),
    });
    this.keptRun = { id, language: language.name, seq: answeredSeq };
  }

  /** What is still to be read when the run has ended. */
  private notice = "";

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
        this.notice = `This page does not know the event "${type.slice(0, 40)}". Load it again`;
        this.say(this.notice, "bad");
      },
      interrupted: () => this.say("Connection lost. Going back to this run…", "bad"),
      restored: () => this.say("Connected again"),
      failed: (problem) => void this.fail(problem),
    };
  }

  private receive(event: ServerEvent, language: Language, replay: boolean): void {
    switch (event.type) {
      case "queued":
        this.strip.progress(event.position > 0 ? `Waiting, ${event.position} ahead` : "Waiting, next in line");
        return;
      case "started":
        this.strip.running();
        this.resizeProgram();
        return;
      case "stream":
        // stderr is a pipe, not a terminal: nobody has put the carriage returns.
        this.terminal.write(event.name === "stderr" ? `\x1b[31m${event.data.replace(/\r?\n/g, "\r\n")}\x1b[39m` : event.data, replay);
        return;
      case "display":
        this.exhibits.display(event.data);
        return;
      case "exited":
        return;
      case "finished":
        this.strip.finished(event.result, isPage(language));
        this.exhibits.show(event.result.files, event.result.files_left_out);
        if (isPage(language) && event.result.verdict === "accepted" && this.keptRun !== null) this.page.show(this.keptRun.id);
        this.settle();
        return;
      default:
        event satisfies never; // one that was added to the contract has its case here
    }
  }

  private async fail(problem: Problem): Promise<void> {
    this.strip.refused(problem);
    this.settle();
    // A browser does not say why a socket was refused; plain HTTP does.
    if (problem.status === null) {
      this.say("Checking the server…");
      this.languages = await this.findLanguages();
      this.say("Ready");
    }
  }

  private forget(): void {
    this.keptRun = null;
    storage.keepRun(null);
    this.strip.idle();
    this.settle();
    this.showTab("code");
  }

  private prepare(page: boolean): void {
    this.terminal.reset();
    this.exhibits.clear();
    this.page.hide();
    this.parts.cellPane.classList.toggle("is-page", page);
    this.strip.progress("Starting");
    this.keptRun = null;
    this.setRunning(true);
    this.notice = "";
    this.say("Connected");
  }

  private settle(): void {
    this.saveRun();
    this.setRunning(false);
    if (this.notice === "") this.say("Ready");
    // Who ran it from the editor and did not talk to it goes on writing.
    if (this.terminal.focused && !this.terminal.typed) this.editor.focus();
  }

  private setRunning(running: boolean): void {
    const { parts } = this;
    parts.run.disabled = running || this.language === null;
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
    this.run?.send({ type: "resize", columns: this.terminal.columns, rows: this.terminal.rows });
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
