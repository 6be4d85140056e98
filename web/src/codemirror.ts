/**
 * The code editor: CodeMirror 6 with this page's colours, which live in CSS.
 *
 * Fetched after the page is there; each grammar when a language first wants it.
 */

import "./styles/mono.css";
import "./styles/editor.css";

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
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
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension, Prec } from "@codemirror/state";
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
import type { EditorOptions, Written } from "./editor";

/** By the names that languages give for theirs; what is not here is plain text. */
const GRAMMARS: Record<string, () => Promise<Extension>> = {
  python: async () => (await import("@codemirror/lang-python")).python(),
  javascript: async () => (await import("@codemirror/lang-javascript")).javascript(),
  html: async () => (await import("@codemirror/lang-html")).html(),
  shell: async () => StreamLanguage.define((await import("@codemirror/legacy-modes/mode/shell")).shell),
};

const INDENT: Record<string, string> = { python: "    " };

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

export class CodeMirror {
  private readonly view: EditorView;
  private readonly common: Extension;
  private readonly grammar = new Compartment();
  private readonly attributes = new Compartment();
  private language: Written | null = null;

  constructor(parent: HTMLElement, options: EditorOptions) {
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

  /** Shows a program of another language; its undo history begins here. */
  show(language: Written, code: string): void {
    this.language = language;
    const extensions = [
      this.common,
      this.grammar.of(this.indent(language)),
      this.attributes.of(this.labels(language)),
    ];
    this.view.setState(EditorState.create({ doc: code, extensions }));
    void this.colour(language);
  }

  /** Tells more of the language that is shown, and leaves program and history as they are. */
  describe(language: Written): void {
    this.language = language;
    this.view.dispatch({ effects: this.attributes.reconfigure(this.labels(language)) });
    void this.colour(language);
  }

  /** Where a person was in the field that this editor takes the place of. */
  select(anchor: number, head: number, scroll: { top: number; left: number }): void {
    this.view.dispatch({ selection: { anchor, head } });
    this.view.scrollDOM.scrollTo(scroll);
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

  private labels(language: Written): Extension {
    return EditorView.contentAttributes.of({
      "aria-label": `${language.display_name} program`,
      "aria-describedby": "editor-hint",
    });
  }

  private async colour(language: Written): Promise<void> {
    const grammar = await GRAMMARS[language.grammar ?? ""]?.().catch(() => undefined); // without it the text is plain
    if (this.language !== language) return;
    this.view.dispatch({ effects: this.grammar.reconfigure([grammar ?? [], this.indent(language)]) });
  }

  private indent(language: Written): Extension {
    return indentUnit.of(INDENT[language.grammar ?? ""] ?? "  ");
  }
}
