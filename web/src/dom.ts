/** Makes elements; text is always text, never parsed as markup. */

type Child = Node | string | null | undefined | false;
type Props = Record<string, string | boolean | null | undefined | ((event: never) => void)>;

/** `h("button", {class: "run", onclick: fn}, "Run")`. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), value as EventListener);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (typeof value === "string") {
      element.setAttribute(name, value);
    }
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for a shape of an SVG drawing. */
export function shape<K extends keyof SVGElementTagNameMap>(tag: K, props: Record<string, string>): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, value);
  return element;
}

/** A 16-unit line icon from path data of ours. */
export function icon(path: string, className = "icon"): SVGSVGElement {
  const svg = shape("svg", { viewBox: "0 0 16 16", class: className, "aria-hidden": "true" });
  svg.append(shape("path", { d: path }));
  return svg;
}

export const ICONS = {
  run: "M5 3.2v9.6L12.6 8z",
  stop: "M4.2 4.2h7.6v7.6H4.2z",
  check: "M3 8.6 6.4 12 13 4.6",
  cross: "M4 4l8 8M12 4l-8 8",
  clock: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 4.8V8l2.2 1.6",
  gauge: "M2.4 11.5a5.8 5.8 0 1 1 11.2 0M8 10l2.6-3.6",
  halt: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM5.4 8h5.2",
  warn: "M8 2.4 14 13H2zM8 6.4v3M8 11.2v.2",
  download: "M8 2.6v7M4.8 6.8 8 10l3.2-3.2M3 13.2h10",
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM8 1.6v1.2M8 13.2v1.2M1.6 8h1.2M13.2 8h1.2M3.5 3.5l.8.8M11.7 11.7l.8.8M3.5 12.5l.8-.8M11.7 4.3l.8-.8",
  moon: "M13 9.6A5.6 5.6 0 0 1 6.4 3a5.4 5.4 0 1 0 6.6 6.6z",
  auto: "M8 2.4a5.6 5.6 0 1 0 0 11.2zM8 2.4a5.6 5.6 0 0 1 0 11.2",
  key: "M10.4 2.6a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8.2 7.8 3 13M5 11l1.6 1.6",
} as const;
