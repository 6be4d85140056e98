/** Asks the server what it runs, until it answers; and the person for a key, if the server wants one. */

import { ApiError, fetchLanguages } from "./api";
import { askForKey, explainKey } from "./keydialog";
import type { Language, Problem } from "./protocol";
import { storage } from "./storage";

const RETRY_MS = 3000;
/** Nothing that a person can do here changes it. */
const RETRY_FORBIDDEN_MS = 30_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** `key`: the button by which a person comes back to the question; `say` tells how it stands. */
export async function findLanguages(key: HTMLElement, say: (words: string, tone: "good" | "bad") => void): Promise<Language[]> {
  for (;;) {
    try {
      const found = await fetchLanguages();
      key.hidden = storage.key() === null;
      return found;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { problem } = error;
      if (problem.status === 401 || problem.status === 429) await getKey(key, problem, say);
      else if (problem.status === 403) {
        say(explainKey(problem, false), "bad");
        await pause(RETRY_FORBIDDEN_MS);
      } else {
        say(`${error.message}. Trying again…`, "bad");
        await pause(RETRY_MS);
      }
    }
  }
}

/** Asks until there is a key that the server takes. */
async function getKey(button: HTMLElement, reason: Problem, say: (words: string, tone: "good" | "bad") => void): Promise<void> {
  say("An API key is needed", "bad");
  button.hidden = false;
  while (!(await askForKey(reason))) await new Promise((resolve) => button.addEventListener("click", resolve, { once: true }));
}
