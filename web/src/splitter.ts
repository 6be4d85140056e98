/** The movable border between editor and cell, by pointer and by arrow keys. */

import { h } from "./dom";
import { storage } from "./storage";

const LOWEST = 25;
const HIGHEST = 75;
const STEP = 3;

export function splitter(container: HTMLElement): HTMLElement {
  const handle = h("div", {
    class: "splitter",
    role: "separator",
    tabindex: "0",
    "aria-orientation": "vertical",
    "aria-label": "Width of the editor",
    "aria-valuemin": String(LOWEST),
    "aria-valuemax": String(HIGHEST),
  });
  let share = 50;
  const set = (percent: number): void => {
    share = Math.min(HIGHEST, Math.max(LOWEST, percent));
    container.style.setProperty("--editor-share", `${share}%`);
    handle.setAttribute("aria-valuenow", String(Math.round(share)));
    storage.keepPreference("split", share.toFixed(1));
  };
  set(Number(storage.preference("split")) || 50);
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const box = container.getBoundingClientRect();
    set(((event.clientX - box.left) / box.width) * 100);
  });
  handle.addEventListener("dblclick", () => set(50));
  handle.addEventListener("keydown", (event) => {
    const moves: Record<string, number> = { ArrowLeft: share - STEP, ArrowRight: share + STEP, Home: LOWEST, End: HIGHEST };
    const target = moves[event.key];
    if (target === undefined) return;
    set(target);
    event.preventDefault();
  });
  return handle;
}
