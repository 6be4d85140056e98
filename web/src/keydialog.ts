/**
 * Asks for an API key, or a token that was made with one, only after the server has asked for one; one that it
 * refuses is explained here, beside the field in which it can be mended.
 */

import { ApiError, fetchLanguages } from "./api";
import { h } from "./dom";
import type { Problem } from "./protocol";
import { storage } from "./storage";

/** What goes to the server as a WebSocket's subprotocol. Source: RFC 6455 section 4.1; RFC 9110 section 5.6.2 (token). */
const SENDABLE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/;

const until = (seconds: number): string => new Date(Date.now() + seconds * 1000).toLocaleTimeString();

/** Why a key was refused, and what a person can do about it. */
export function explainKey(problem: Problem, given: boolean): string {
  const { status, type = "", retryAfterS = 60 } = problem;
  if (status === 401) {
    if (given && type.endsWith(":credential-expired")) return "This key has expired (401). Whoever gave it to you can give you another.";
    if (given && type.endsWith(":credential-revoked")) return "This key was taken back (401). Whoever gave it to you can tell you why.";
    return given
      ? "The server does not know this key (401). See whether a character is missing, or whether it was taken back."
      : "Programs run here only with a key (401). Whoever runs this server hands them out.";
  }
  if (status === 403) return `No key helps here (403): ${problem.detail || problem.title}.`;
  if (status === 429) return `Too many wrong keys were tried from this address (429). The right one is taken at once, others are not looked at until ${until(retryAfterS)}.`;
  return `The key could not be tried: ${problem.detail || problem.title}.`;
}

function unsendable(key: string): string | null {
  const wrong = [...key].find((c) => !SENDABLE.test(c));
  if (wrong === undefined) return null;
  return wrong === " "
    ? "A key has no blanks in it."
    : `This key has a “${wrong}” in it, which a browser cannot send with a live connection. Ask for one of letters, digits, “-” and “_”.`;
}

/** Whether the server takes a key; else what it says. */
async function tried(key: string): Promise<Problem | null> {
  try {
    await fetchLanguages(key);
    return null;
  } catch (error) {
    if (error instanceof ApiError) return error.problem;
    throw error;
  }
}

class KeyDialog {
  private readonly input = h("input", {
    type: "password", name: "key", autocomplete: "off", autocapitalize: "off", spellcheck: "false", required: true,
    "aria-describedby": "ask-why",
  });
  private readonly why = h("p", { id: "ask-why", class: "why", role: "alert" });
  private readonly use = h("button", { class: "run" }, "Use key");
  private readonly show = h("button", { type: "button", class: "quiet", "aria-pressed": "false", onclick: () => this.toggle() }, "Show");
  private readonly dialog: HTMLDialogElement;

  constructor(reason: Problem | null) {
    const key = storage.key();
    const title = key === null ? "This server wants an API key" : "Your API key";
    this.dialog = h(
      "dialog",
      { class: "ask", "aria-labelledby": "ask-title" },
      h(
        "form",
        { method: "dialog", onsubmit: (event: SubmitEvent) => void this.submit(event) },
        h("h2", { id: "ask-title" }, title),
        h("p", {}, "Or a token that was made with one. It stays in this tab and is forgotten when you close it."),
        h("label", { for: "ask-key" }, "API key"),
        h("div", { class: "field" }, this.input, this.show),
        this.why,
        h("div", { class: "actions" }, h("button", { type: "button", class: "quiet", onclick: () => this.dialog.close("") }, "Not now"), this.use),
      ),
    );
    this.input.id = "ask-key";
    this.input.value = key ?? "";
    this.input.addEventListener("input", () => this.input.removeAttribute("aria-invalid"));
    if (reason !== null) this.refuse(reason, key !== null);
  }

  ask(): Promise<boolean> {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.input.select();
    return new Promise((resolve) => {
      this.dialog.addEventListener("close", () => {
        this.dialog.remove();
        resolve(this.dialog.returnValue === "use");
      });
    });
  }

  private async submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const key = this.input.value.trim();
    const wrong = unsendable(key);
    if (wrong !== null) {
      this.say(wrong);
      return;
    }
    this.use.disabled = true;
    const problem = await tried(key);
    this.use.disabled = false;
    if (problem !== null) {
      this.refuse(problem, true);
      return;
    }
    storage.keepKey(key);
    this.dialog.close("use");
  }

  private refuse(problem: Problem, given: boolean): void {
    this.say(explainKey(problem, given), given && problem.status !== 403, given || problem.status !== 401);
  }

  /** `wrong`: something was refused; else it is what a person needs to know. */
  private say(words: string, invalid = true, wrong = true): void {
    this.why.textContent = words;
    this.why.classList.toggle("wrong", wrong);
    if (!invalid) return;
    this.input.setAttribute("aria-invalid", "true");
    this.input.focus();
  }

  private toggle(): void {
    const shown = this.input.type === "text";
    this.input.type = shown ? "password" : "text";
    this.show.textContent = shown ? "Show" : "Hide";
    this.show.setAttribute("aria-pressed", String(!shown));
  }
}

/** Resolves when a key was given that the server takes (kept for this tab), or with false if not. */
export const askForKey = (reason: Problem | null = null): Promise<boolean> => new KeyDialog(reason).ask();
