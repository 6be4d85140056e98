/**
 * Which language, and which program in it: the choices above the editor, and what
 * the editor shows when one is made.
 */

import { h } from "./dom";
import { Drafts } from "./drafts";
import type { Editor, Written } from "./editor";
import { examples, firstLine } from "./examples";
import type { Layout } from "./layout";
import type { Language } from "./protocol";
import { storage } from "./storage";

const PYTHON: Written = { name: "python", display_name: "Python", grammar: "python" };

/** What the server offered the last time, so that a page can be typed in before it has answered. */
function remembered(): Written[] {
  try {
    const list = JSON.parse(storage.preference("languages") ?? "[]") as unknown;
    if (!Array.isArray(list)) return [PYTHON];
    const known = list.filter((x: Partial<Written> | null): x is Written => typeof x?.name === "string" && typeof x.display_name === "string" && typeof x.grammar === "string");
    return known.length > 0 ? known : [PYTHON];
  } catch {
    return [PYTHON];
  }
}

export class Programs {
  private readonly drafts = new Drafts();
  private languages: Language[] = [];
  private presumed: Written | null = null;
  /** Whether the person has written since the program was shown. */
  private touched = false;
  language: Language | null = null;

  constructor(
    private readonly parts: Layout,
    private readonly editor: Editor,
  ) {
    parts.language.addEventListener("change", () => this.choose(parts.language.value));
    parts.example.addEventListener("change", () => this.load());
    parts.example.addEventListener("focus", () => this.listExamples());
  }

  /** Shows what the person probably wants, before the server has said what there is. */
  presume(wanted: (string | null | undefined)[]): void {
    const known = remembered();
    this.presumed = wanted.map((name) => known.find((l) => l.name === name)).find((l) => l !== undefined) ?? known[0] ?? PYTHON;
    this.parts.language.replaceChildren(h("option", {}, this.presumed.display_name));
    this.editor.show(this.presumed, this.drafts.find(this.presumed.name) ?? "");
  }

  /** Takes what the server offers, and shows the first of those wanted that it has. */
  offer(languages: Language[], wanted: (string | null | undefined)[]): void {
    this.languages = languages;
    const { language } = this.parts;
    language.replaceChildren(...languages.map((l) => h("option", { value: l.name }, l.display_name)));
    language.disabled = languages.length === 0;
    storage.keepPreference("languages", JSON.stringify(languages.map(({ name, display_name, grammar }) => ({ name, display_name, grammar }))));
    const first = wanted.find((name) => languages.some((l) => l.name === name)) ?? languages[0]?.name;
    if (first !== undefined) this.choose(first);
  }

  changed(code: string): void {
    this.touched = true;
    const name = (this.language ?? this.presumed)?.name;
    if (name !== undefined) this.drafts.keep(name, code);
  }

  private choose(name: string): void {
    const language = this.languages.find((l) => l.name === name);
    if (language === undefined) return;
    const before = this.language ?? this.presumed;
    const first = this.language === null;
    this.language = language;
    this.presumed = null;
    storage.keepPreference("language", name);
    const { parts } = this;
    parts.language.value = name;
    parts.version.replaceChildren(h("code", {}, language.entrypoint), language.version);
    const kept = this.drafts.find(name);
    // What the editor shows by now is the person's; only its language becomes known.
    if (first && (this.touched || (before?.name === name && kept !== null))) this.editor.describe(language);
    else this.editor.show(language, kept ?? this.examples()[0]?.code ?? "");
    this.touched = false;
    this.listExamples();
  }

  private examples() {
    const { language } = this;
    return language === null ? [] : examples(language.name, language.example ?? "");
  }

  private earlier(): string[] {
    if (this.language === null) return [];
    const own = new Set(this.examples().map((e) => e.code));
    return this.drafts.others(this.language.name, this.editor.code).filter((code) => !own.has(code));
  }

  private listExamples(): void {
    const option = (title: string, code: string) => {
      const made = h("option", {}, title);
      made.value = code;
      return made;
    };
    const earlier = this.earlier();
    this.parts.example.replaceChildren(
      h("option", { value: "" }, "Examples"),
      ...this.examples().map((e) => option(e.title, e.code)),
    );
    if (earlier.length > 0) {
      this.parts.example.append(h("optgroup", { label: "Written in other tabs, or before" }, ...earlier.map((code) => option(firstLine(code), code))));
    }
    this.parts.example.value = "";
  }

  private load(): void {
    const { example } = this.parts;
    const code = example.value;
    example.value = "";
    if (code === "") return;
    this.editor.replace(code);
    this.parts.showCode.click();
    this.editor.focus();
  }
}
