/** Asks for an API key, only after the server has asked for one. */

import { h } from "./dom";
import { storage } from "./storage";

/** Resolves when a key was given (kept for this tab), or with false if not. */
export function askForKey(): Promise<boolean> {
  const input = h("input", { type: "password", name: "key", autocomplete: "off", spellcheck: "false", required: true });
  const dialog = h(
    "dialog",
    { class: "ask", "aria-labelledby": "ask-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "ask-title" }, "This server wants an API key"),
      h("p", {}, "It stays in this tab and is forgotten when you close it."),
      h("label", {}, "API key", input),
      h("div", { class: "actions" }, h("button", { type: "button", class: "quiet", onclick: () => dialog.close("") }, "Not now"), h("button", { class: "run", value: "use" }, "Use key")),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "use" && input.value.trim() !== "";
      if (given) storage.keepKey(input.value.trim());
      dialog.remove();
      resolve(given);
    });
  });
}
