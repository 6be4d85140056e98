/** Dark or light: as the system says, unless the person said otherwise. */

import { storage } from "./storage";

export type Choice = "auto" | "light" | "dark";

const NEXT: Record<Choice, Choice> = { auto: "light", light: "dark", dark: "auto" };
const system = matchMedia("(prefers-color-scheme: dark)");

export function choice(): Choice {
  const kept = storage.preference("theme");
  return kept === "light" || kept === "dark" ? kept : "auto";
}

export function apply(): void {
  const chosen = choice();
  const dark = chosen === "auto" ? system.matches : chosen === "dark";
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

/** Goes on to the next choice: auto, light, dark, auto … */
export function advance(): Choice {
  const next = NEXT[choice()];
  storage.keepPreference("theme", next === "auto" ? null : next);
  apply();
  return next;
}

export function onSystemChange(changed: () => void): void {
  system.addEventListener("change", () => {
    apply();
    changed();
  });
}
