/**
 * Programs that a person is writing: each tab has its own, a new tab begins with
 * the last one of any, and what other tabs wrote can be had again.
 *
 * Law: no tab changes what another one shows or will show after a reload. A tab
 * that was duplicated begins with the same program and goes its own way.
 *
 * Each tab has an entry of its own: a browser tells one tab late what another has
 * written, so whoever put several into one entry would take away what he has not heard of.
 */

import { read, readAll, write } from "./storage";

/** A program that some tab held. */
interface Draft {
  tab: string;
  code: string;
  /** When it was written, in milliseconds of Unix time. */
  at: number;
}

const SAVE_MS = 300;
const MAX_DRAFTS = 6;
const MAX_DRAFT_CHARACTERS = 100_000;

/** This tab's name, which a reload keeps; a duplicate takes its own. */
function tabName(): string {
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  const kept = navigation?.type === "reload" ? read("sessionStorage", "tab") : null;
  const name = kept ?? Math.random().toString(36).slice(2, 12);
  write("sessionStorage", "tab", name);
  return name;
}

const entryOf = (language: string, tab: string) => `draft.${language}.${tab}`;

function draftOf(tab: string, text: string): Draft[] {
  try {
    const kept = JSON.parse(text) as Partial<Draft> | null;
    return typeof kept?.code === "string" && typeof kept.at === "number" ? [{ tab, code: kept.code, at: kept.at }] : [];
  } catch {
    return [];
  }
}

/** Those of all tabs, the newest first. */
function readDrafts(language: string): Draft[] {
  const drafts = readAll("localStorage", entryOf(language, "")).flatMap(([tab, text]) => draftOf(tab, text));
  return drafts.sort((one, other) => other.at - one.at);
}

export class Drafts {
  private readonly tab = tabName();
  private unsaved: { language: string; code: string } | null = null;
  private timer = 0;

  constructor() {
    // Another tab may be looked at, or this one closed, before the pause is over.
    for (const event of ["pagehide", "blur"]) window.addEventListener(event, () => this.save());
  }

  /** The program to show: this tab's own, else the last of any tab, else none. */
  find(language: string): string | null {
    this.save();
    return read("sessionStorage", `code.${language}`) ?? read("localStorage", `code.${language}`);
  }

  /** Notes what is being written, once the person pauses. */
  keep(language: string, code: string): void {
    if (this.unsaved !== null && this.unsaved.language !== language) this.save();
    this.unsaved = { language, code };
    this.timer ||= window.setTimeout(() => this.save(), SAVE_MS);
  }

  /** What other tabs hold, or held when they were closed, but for `shown`. */
  others(language: string, shown: string): string[] {
    const codes = readDrafts(language).filter(({ tab, code }) => tab !== this.tab && code.trim() !== "" && code !== shown).map(({ code }) => code);
    return [...new Set(codes)];
  }

  save(): void {
    window.clearTimeout(this.timer);
    this.timer = 0;
    if (this.unsaved === null) return;
    const { language, code } = this.unsaved;
    this.unsaved = null;
    write("sessionStorage", `code.${language}`, code);
    write("localStorage", `code.${language}`, code);
    if (code.length > MAX_DRAFT_CHARACTERS) return;
    write("localStorage", entryOf(language, this.tab), JSON.stringify({ code, at: Date.now() }));
    for (const { tab } of readDrafts(language).slice(MAX_DRAFTS)) write("localStorage", entryOf(language, tab), null);
  }
}
