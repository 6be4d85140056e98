/** The code editor: CodeMirror 6 with this page's colours, which live in CSS. */

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { html } from "@codemirror/lang-html";
import { javascript } from "@codemirror/lang-javascript";
import { python } from "@codemirror/lang-python";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  StreamLanguage,
  syntaxHighlighting,
} from "@codemirror/language";
import { shell } from "@codemirror/legacy-modes/mode/shell";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState, type Extension, Prec } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { Language } from "./protocol";

/** By the names that languages give for theirs; what is not here is plain text. */
const GRAMMARS: Record<string, () => Extension> = {
  python: () => [python(), indentUnit.of("    ")],
  javascript: () => [javascript(), indentUnit.of("  ")],
  html: () => [html(), indentUnit.of("  ")],
  shell: () => [StreamLanguage.define(shell), indentUnit.of("  ")],
};

const HIGHLIGHT = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.controlKeyword, tags.operatorKeyword], class: "tok-keyword" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp, tags.attributeValue], class: "tok-string" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], class: "tok-number" },
  { tag: [tags.comment, tags.meta, tags.documentMeta], class: "tok-comment" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.standard(tags.name)], class: "tok-function" },
  { tag: [tags.definition(tags.variableName), tags.className, tags.typeName, tags.tagName], class: "tok-name" },
  { tag: [tags.attributeName, tags.propertyName], class: "tok-property" },
  { tag: [tags.operator, tags.punctuation, tags.bracket, tags.angleBracket], class: "tok-punctuation" },
  { tag: tags.invalid, class: "tok-invalid" },
]);

export class Editor {
  private readonly view: EditorView;
  private readonly common: Extension;

  constructor(parent: HTMLElement, options: { changed(code: string): void; run(): void }) {
    this.common = [
      // Escape first lets go of Tab for one press (CodeMirror's own rule),
      // so the keyboard can always leave the editor.
      Prec.highest(keymap.of([{ key: "Mod-Enter", run: () => (options.run(), true) }])),
      Prec.lowest(keymap.of([{ key: "Escape", run: (view) => (view.setTabFocusMode(2000), true) }])),
      lineNumbers(),
      highlightActiveLineGutter(),
      highlightSpecialChars(),
      history(),
      foldGutter({ openText: "⌄", closedText: "›" }),
      drawSelection(),
      indentOnInput(),
      bracketMatching(),
      closeBrackets(),
      autocompletion(),
      highlightActiveLine(),
      highlightSelectionMatches(),
      syntaxHighlighting(HIGHLIGHT),
      keymap.of([
        ...closeBracketsKeymap,
        ...defaultKeymap,
        ...searchKeymap,
        ...historyKeymap,
        ...foldKeymap,
        ...completionKeymap,
        indentWithTab,
      ]),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) options.changed(update.state.doc.toString());
      }),
    ];
    this.view = new EditorView({ parent });
  }

  get code(): string {
    return this.view.state.doc.toString();
  }

  get focused(): boolean {
    return this.view.hasFocus;
  }

  /** Shows a program of another language; its undo history begins here. */
  show(language: Language, code: string): void {
    const attributes = EditorView.contentAttributes.of({
      "aria-label": `${language.display_name} program`,
      "aria-describedby": "editor-hint",
    });
    const extensions = [this.common, GRAMMARS[language.grammar ?? ""]?.() ?? [], attributes];
    this.view.setState(EditorState.create({ doc: code, extensions }));
  }

  /** Puts another program in place of this one; undo brings it back. */
  replace(code: string): void {
    this.view.dispatch({
      changes: { from: 0, to: this.view.state.doc.length, insert: code },
      selection: { anchor: 0 },
      scrollIntoView: true,
    });
  }

  focus(): void {
    this.view.focus();
  }
}
