/** The page's skeleton: every named part, no behaviour. */

import { h, icon, ICONS } from "./dom";

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
const RUN_KEYS = isMac ? "⌘ ↵" : "Ctrl ↵";

function brand(): HTMLElement {
  return h(
    "h1",
    { class: "brand" },
    h("span", { class: "mark", "aria-hidden": "true" }, h("span", { class: "nucleus" })),
    "vibecell",
  );
}

export function layout() {
  const status = h("p", { class: "status", role: "status", "aria-live": "polite" }, "Connecting…");
  const theme = h("button", { class: "quiet icon-only theme", type: "button" });
  const key = h("button", { class: "quiet icon-only key", type: "button", "aria-label": "API key", title: "API key", hidden: true }, icon(ICONS.key));

  const language = h("select", { class: "language", "aria-label": "Language", disabled: true });
  const example = h("select", { class: "example", "aria-label": "Load an example" });
  const version = h("span", { class: "version" });
  const run = h("button", { class: "run", type: "button", "aria-keyshortcuts": "Control+Enter Meta+Enter", disabled: true }, icon(ICONS.run), "Run", h("kbd", { "aria-hidden": "true" }, RUN_KEYS));
  const stop = h("button", { class: "stop", type: "button", disabled: true }, icon(ICONS.stop), "Stop");
  const eof = h("button", { class: "quiet eof", type: "button", disabled: true, title: "Tell the program that no more input comes" }, "Send EOF");
  const clear = h("button", { class: "quiet clear", type: "button" }, "Clear");

  const showCode = h("button", { type: "button", role: "tab", id: "tab-code", "aria-controls": "pane-code", "aria-selected": "true" }, "Code");
  const showOutput = h("button", { type: "button", role: "tab", id: "tab-output", "aria-controls": "pane-output", "aria-selected": "false", tabindex: "-1" }, "Output");

  const editor = h("div", { class: "editor" });
  const terminal = h("div", { class: "terminal" });
  const invitation = h(
    "div",
    { class: "invitation" },
    h("span", { class: "mark", "aria-hidden": "true" }, h("span", { class: "nucleus" })),
    h("p", {}, "Run the program and watch it live in here. What it asks, you answer in this terminal."),
  );
  const lumen = h("div", { class: "lumen" }, terminal, invitation);
  const verdict = h("div", { class: "verdict", role: "status", "aria-live": "polite" });
  const elapsed = h("span", { class: "elapsed", "aria-hidden": "true" });
  const notice = h("div", { class: "notice", role: "status", "aria-live": "polite" });
  const strip = h("footer", { class: "strip" }, verdict, elapsed);

  const codePane = h(
    "section",
    { class: "code-pane", id: "pane-code", "aria-label": "Program" },
    h("div", { class: "pane-head" }, language, version, h("span", { class: "gap" }), example),
    editor,
    h("p", { id: "editor-hint", class: "visually-hidden" }, "Press Escape, then Tab, to leave the editor. Control and Enter runs the program."),
  );
  const cellPane = h(
    "section",
    { class: "cell-pane", id: "pane-output", "aria-label": "Output", "data-tone": "idle" },
    h("div", { class: "pane-head" }, h("h2", {}, "Cell"), h("span", { class: "gap" }), eof, clear),
    notice,
    lumen,
    h("p", { id: "terminal-hint", class: "visually-hidden" }, "Shift and Tab leaves the terminal."),
    strip,
  );
  const work = h("main", { class: "work" }, codePane);
  const header = h(
    "header",
    { class: "top" },
    brand(),
    status,
    h("div", { class: "tabs", role: "tablist", "aria-label": "What to show" }, showCode, showOutput),
    h("div", { class: "controls" }, run, stop),
    h("div", { class: "settings" }, key, theme),
  );
  return {
    header, work, codePane, cellPane, status, theme, key, language, example, version,
    run, stop, eof, clear, showCode, showOutput, editor, terminal, lumen, notice, verdict, elapsed, strip,
  };
}

export type Layout = ReturnType<typeof layout>;
