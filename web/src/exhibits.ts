/** What a run leaves beside its text: pictures and tables as they come, files at its end. */

import { h, icon, ICONS } from "./dom";
import { safeMarkup } from "./markup";
import type { OmittedFile, OutputFile } from "./protocol";
import { formatBytes } from "./verdict";

const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"] as const;
/** What is shown of a display that has no picture: the first of these, as text but for the first. */
const TEXTS = ["text/html", "text/markdown", "text/plain", "text/latex", "application/json"];
const MAX_DISPLAYS = 64;
const MAX_TEXT_CHARACTERS = 100_000;

const EXTENSIONS: Record<(typeof PICTURES)[number], string> = {
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/gif": "gif",
  "image/webp": "webp",
  "image/svg+xml": "svg",
};

const REASONS: Record<OmittedFile["reason"], string> = {
  too_large: "too large",
  no_room: "no room beside the others",
  too_many: "too many",
  too_deep: "too deep",
  not_regular: "no regular file",
  hard_link: "has several names",
  unreadable: "not readable",
  unnameable: "name is not UTF-8, or too long",
  lost: "lost with its cell",
};

/** A name in one line and one direction: what would break either is shown as its code. */
function legible(path: string): string {
  return path.replace(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`);
}

function bytes(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(base64.replace(/\s/g, "")), (c) => c.charCodeAt(0));
  } catch {
    return null; // not base64: nothing to show
  }
}

export class Exhibits {
  readonly element = h("div", { class: "exhibits", hidden: true });
  private readonly gallery = h("ul", { class: "gallery", "aria-label": "Pictures and tables", hidden: true });
  private readonly files = h("ul", { class: "files", "aria-label": "Files the program left", hidden: true });
  private urls: string[] = [];
  private pictures = 0;
  private readonly viewer = h("dialog", { class: "viewer", "aria-label": "Picture" });

  constructor() {
    this.element.append(this.gallery, this.files);
    this.viewer.addEventListener("click", () => this.viewer.close());
  }

  clear(): void {
    for (const url of this.urls) URL.revokeObjectURL(url);
    this.urls = [];
    this.pictures = 0;
    this.gallery.replaceChildren();
    this.files.replaceChildren();
    this.element.hidden = this.gallery.hidden = this.files.hidden = true;
  }

  /** Shows the first picture that the display offers, else the first text. */
  display(data: Record<string, string>): void {
    if (this.gallery.childElementCount >= MAX_DISPLAYS) return;
    const picture = PICTURES.find((name) => typeof data[name] === "string");
    const text = TEXTS.find((name) => typeof data[name] === "string");
    if (picture !== undefined) this.showPicture(picture, data[picture] ?? "");
    else if (text !== undefined) this.showText(text, data[text] ?? "");
  }

  private showText(type: string, content: string): void {
    const shown = type === "text/html" ? safeMarkup(content) : h("pre", {}, content.slice(0, MAX_TEXT_CHARACTERS));
    const number = this.gallery.childElementCount + 1;
    const card = h("div", { class: "card", role: "group", tabindex: "0", "aria-label": `Display ${number} made by the program` });
    card.append(shown);
    this.gallery.append(h("li", {}, card));
    this.element.hidden = this.gallery.hidden = false;
  }

  private showPicture(type: (typeof PICTURES)[number], content: string): void {
    // As <img> an SVG runs no script and fetches nothing.
    const body = type === "image/svg+xml" ? content : bytes(content);
    if (body === null) return;
    const url = this.url(new Blob([body], { type }));
    const number = (this.pictures += 1);
    const name = `figure-${number}.${EXTENSIONS[type]}`;
    const picture = h("img", { src: url, alt: `Picture ${number} made by the program` });
    const save = h("a", { class: "save", href: url, download: name, "aria-label": `Download ${name}` }, icon(ICONS.download));
    const open = h("button", { class: "open", type: "button", "aria-label": `Enlarge picture ${number}`, onclick: () => this.enlarge(url, number) }, picture);
    this.gallery.append(h("li", {}, open, save));
    this.element.hidden = this.gallery.hidden = false;
  }

  /** `omitted`: of the `leftOut` that are not among the files, those that are named. */
  show(files: OutputFile[], omitted: OmittedFile[], leftOut: number): void {
    for (const file of files) {
      const content = file.content ?? bytes(file.content_base64 ?? "");
      if (content === null) continue;
      const blob = new Blob([content], { type: "application/octet-stream" });
      const url = this.url(blob);
      const name = legible(file.path.split("/").at(-1) || "file");
      const path = legible(file.path);
      this.files.append(
        h("li", {}, h("a", { href: url, download: name, title: path }, icon(ICONS.download), h("span", { class: "path" }, path), h("span", { class: "size" }, formatBytes(blob.size)))),
      );
    }
    if (leftOut > 0) {
      const words = leftOut === 1 ? "1 more file was left out" : `${leftOut} more files were left out`;
      const names = omitted.map(({ path, size_bytes, reason }) => h("li", {}, `${legible(path)}: ${size_bytes == null ? "" : `${formatBytes(size_bytes)}, `}${REASONS[reason]}`));
      const told = h("details", {}, h("summary", {}, words), h("ul", {}, ...names));
      this.files.prepend(h("li", { class: "left-out" }, told)); // the list scrolls: its end may be out of sight
    }
    this.files.hidden = this.files.childElementCount === 0;
    this.element.hidden = this.files.hidden && this.gallery.hidden;
  }

  private url(blob: Blob): string {
    const url = URL.createObjectURL(blob);
    this.urls.push(url);
    return url;
  }

  private enlarge(url: string, number: number): void {
    this.viewer.replaceChildren(
      h("img", { src: url, alt: `Picture ${number} made by the program` }),
      h("button", { type: "button", class: "quiet" }, "Close"),
    );
    if (!this.viewer.isConnected) document.body.append(this.viewer);
    this.viewer.showModal();
  }
}
