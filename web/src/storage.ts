/**
 * What the browser keeps for this page: preferences and programs for good, the run
 * in hand and the key only as long as the tab. A browser that refuses storage
 * costs memory across reloads, never a run, hence the fallbacks.
 */

const PREFIX = "vibecell.";

export function read(store: "localStorage" | "sessionStorage", name: string): string | null {
  try {
    return window[store].getItem(PREFIX + name);
  } catch {
    return null; // storage is switched off for this origin
  }
}

export function write(store: "localStorage" | "sessionStorage", name: string, value: string | null): void {
  try {
    if (value === null) window[store].removeItem(PREFIX + name);
    else window[store].setItem(PREFIX + name, value);
  } catch {
    // Switched off or full: the page works on, it only forgets.
  }
}

/** What there is under names that begin so: the rest of each name, and its value. */
export function readAll(store: "localStorage" | "sessionStorage", beginning: string): [string, string][] {
  try {
    const whole = PREFIX + beginning;
    const found = Object.entries(window[store]).filter(([name]) => name.startsWith(whole));
    return found.map(([name, value]) => [name.slice(whole.length), String(value)]);
  } catch {
    return [];
  }
}

/** The run this tab is showing, so that a reload can go on with it. */
export interface KeptRun {
  id: string;
  language: string;
  seq: number;
}

export const storage = {
  preference: (name: string) => read("localStorage", name),
  keepPreference: (name: string, value: string | null) => write("localStorage", name, value),
  key: () => read("sessionStorage", "key"),
  keepKey: (key: string | null) => write("sessionStorage", "key", key),
  keepRun: (run: KeptRun | null) =>
    write("sessionStorage", "run", run === null ? null : JSON.stringify(run)),
  run(): KeptRun | null {
    try {
      const run = JSON.parse(read("sessionStorage", "run") ?? "null") as Partial<KeptRun> | null;
      if (typeof run?.id !== "string" || typeof run.language !== "string") return null;
      return { id: run.id, language: run.language, seq: Number(run.seq) || 0 };
    } catch {
      return null;
    }
  },
};
