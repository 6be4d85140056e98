/**
 * Programs that a person is writing: each tab has its own, a new tab begins with
 * the last one of any, and what other tabs wrote can be had again.
 *
 * Law: no tab changes what another one shows or will show after a reload. A tab
 * that was duplicated begins with the same program and goes its own way.
 */

import { read, write } from "./storage";

/** A program that some tab held; the newest come first. */
interface Draft {
  tab: string;
  code: string;
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

function readDrafts(language: string): Draft[] {
  try {
    const list = JSON.parse(read("localStorage", `drafts.${language}`) ?? "[]") as unknown;
    if (!Array.isArray(list)) return [];
    return list.filter((x: Partial<Draft> | null): x is Draft => typeof x?.tab === "string" && typeof x.code === "string");
  } catch {
    return [];
  }
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
    const others = readDrafts(language).filter((draft) => draft.tab !== this.tab && draft.code !== code);
    write("localStorage", `drafts.${language}`, JSON.stringify([{ tab: this.tab, code }, ...others].slice(0, MAX_DRAFTS)));
  }
}
