/**
 * The code, from the first moment on: a plain text field, until the editor with
 * colours has come.
 *
 * Law: nobody who is typing notices. Text, selection, scroll and focus go over in
 * one step, between two keys, and never in the middle of a composition.
 */

import type { CodeMirror } from "./codemirror";
import { h } from "./dom";
import type { Language } from "./protocol";

/** What an editor has to know of a language. */
export type Written = Pick<Language, "name" | "display_name" | "grammar">;

export interface EditorOptions {
  changed(code: string): void;
  run(): void;
}

export class Editor {
  private readonly plain = h("textarea", {
    class: "plain",
    "aria-describedby": "editor-hint",
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    wrap: "off",
  });
  private rich: CodeMirror | null = null;
  private language: Written | null = null;
  private composing = false;

  constructor(
    private readonly parent: HTMLElement,
    private readonly options: EditorOptions,
  ) {
    const { plain } = this;
    plain.addEventListener("input", () => options.changed(plain.value));
    plain.addEventListener("compositionstart", () => (this.composing = true));
    parent.append(plain);
  }

  get code(): string {
    return this.rich?.code ?? this.plain.value;
  }

  /** Fetches the editor with colours, and puts it in place of the plain one; rejects if it cannot be had. */
  async improve(): Promise<void> {
    if (this.rich !== null) return;
    const { CodeMirror } = await import("./codemirror");
    if (this.composing) {
      await new Promise((resolve) => this.plain.addEventListener("compositionend", () => setTimeout(resolve), { once: true }));
    }
    const { plain } = this;
    const focused = document.activeElement === plain;
    const { value, selectionStart, selectionEnd, scrollTop, scrollLeft } = plain;
    this.rich = new CodeMirror(this.parent, this.options);
    if (this.language !== null) this.rich.show(this.language, value);
    this.rich.select(selectionStart, selectionEnd, { top: scrollTop, left: scrollLeft });
    if (focused) this.rich.focus();
    plain.remove();
  }

  /** Shows a program of another language; its undo history begins here. */
  show(language: Written, code: string): void {
    this.language = language;
    this.plain.setAttribute("aria-label", `${language.display_name} program`);
    if (this.rich !== null) this.rich.show(language, code);
    else {
      this.plain.value = code;
      this.plain.setSelectionRange(0, 0);
    }
  }

  /** Tells more of the language that is shown, and leaves the program as it is. */
  describe(language: Written): void {
    this.language = language;
    this.plain.setAttribute("aria-label", `${language.display_name} program`);
    this.rich?.describe(language);
  }

  /** Puts another program in place of this one; undo brings it back. */
  replace(code: string): void {
    if (this.rich !== null) {
      this.rich.replace(code);
      return;
    }
    this.plain.value = code;
    this.plain.setSelectionRange(0, 0);
    this.options.changed(code);
  }

  focus(): void {
    if (this.rich !== null) this.rich.focus();
    else this.plain.focus();
  }
}
