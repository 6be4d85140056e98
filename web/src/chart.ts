/**
 * What a run uses while it goes on, drawn small: how many processors it keeps busy, and its memory.
 *
 * Two lines beside the verdict, each with its own scale from nothing to the highest there was; of
 * processors at least one whole. For who does not see them the same is said in words.
 */

import { h, shape } from "./dom";
import type { Usage } from "./protocol";
import { formatBytes } from "./verdict";

const WIDTH = 64;
const HEIGHT = 22;
const FOOT = 1.5; // so that a line at nothing is seen whole
/** Beyond so many, every second one is enough. */
const MAX_POINTS = 256;

interface Point {
  at: number;
  value: number;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

class Line {
  private readonly area = shape("path", { class: "area" });
  private readonly stroke = shape("path", { class: "stroke", "vector-effect": "non-scaling-stroke" });
  private readonly value = h("span", { class: "value" });
  readonly element: HTMLElement;
  private points: Point[] = [];
  highest = 0;

  constructor(
    readonly name: string,
    private readonly leastTop: number,
    readonly format: (value: number) => string,
  ) {
    const drawing = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none" });
    drawing.append(this.area, this.stroke);
    this.element = h("span", { class: `line ${name}` }, h("span", { class: "name" }, name), drawing, this.value);
    this.clear();
  }

  clear(): void {
    this.points = [];
    this.highest = 0;
    this.element.hidden = true;
  }

  add(at: number, value: number): void {
    this.points.push({ at, value });
    this.highest = Math.max(this.highest, value);
    if (this.points.length > MAX_POINTS) this.points = this.points.filter((_, number) => number % 2 === 0);
    this.value.textContent = this.format(value);
    this.draw();
  }

  private draw(): void {
    const first = this.points[0];
    const last = this.points.at(-1);
    if (first === undefined || last === undefined || first === last) return;
    const top = Math.max(this.highest, this.leastTop);
    const x = ({ at }: Point): string => (((at - first.at) / (last.at - first.at || 1)) * WIDTH).toFixed(1);
    const y = ({ value }: Point): string => (HEIGHT - FOOT - (value / top) * (HEIGHT - 2 * FOOT)).toFixed(1);
    const line = this.points.map((point) => `${x(point)} ${y(point)}`).join("L");
    this.stroke.setAttribute("d", `M${line}`);
    this.area.setAttribute("d", `M0 ${HEIGHT}L${line}L${WIDTH} ${HEIGHT}z`);
    this.element.hidden = false;
  }
}

export class UsageChart {
  readonly element = h("figure", { class: "chart", role: "img", hidden: true });
  private readonly processor = new Line("cpu", 1, percent);
  private readonly memory = new Line("memory", 1, formatBytes);
  private before: Usage | null = null;

  constructor() {
    this.element.append(this.processor.element, this.memory.element);
  }

  /** A stage begins, or there is none: nothing is known of it. */
  clear(): void {
    this.before = null;
    this.processor.clear();
    this.memory.clear();
    this.element.hidden = true;
  }

  add(usage: Usage): void {
    const at = usage.wall_time_ms;
    const took = at - (this.before?.wall_time_ms ?? 0);
    if (usage.cpu_time_ms != null && took > 0) this.processor.add(at, Math.max(0, usage.cpu_time_ms - (this.before?.cpu_time_ms ?? 0)) / took);
    if (usage.memory_bytes != null) this.memory.add(at, usage.memory_bytes);
    this.before = usage;
    const shown = [this.processor, this.memory].filter((line) => !line.element.hidden);
    this.element.hidden = shown.length === 0;
    this.element.setAttribute("aria-label", `Used while it ran: ${shown.map((line) => `${line.name} at most ${line.format(line.highest)}`).join(", ")}`);
  }
}
