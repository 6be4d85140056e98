/**
 * What a program displays as HTML, as far as it is tables and text: built anew of
 * elements that are listed here, with text that is text.
 *
 * Output is hostile: it is parsed in a document that runs and fetches nothing, and nothing
 * of that document is put into this one. A frame was tried instead: whatever its sandbox
 * forbids, a browser makes connections ahead for its markup.
 */

const KEPT = new Set(
  "table caption thead tbody tfoot tr th td b strong i em u s small sub sup code pre kbd samp span div p br hr ul ol li dl dt dd blockquote".split(" "),
);
/** Whose content is no text for a person. All others but those above are left out, and their content is kept. */
const DROPPED = new Set("script style template iframe object embed svg math noscript head title textarea select canvas video audio".split(" "));
const NUMBERS = ["colspan", "rowspan"];
const MAX_NUMBER = 1000;
const MAX_NODES = 20_000;
const MAX_CHARACTERS = 1_000_000;

export function safeMarkup(html: string): DocumentFragment {
  const parsed = new DOMParser().parseFromString(html.slice(0, MAX_CHARACTERS), "text/html");
  const made = document.createDocumentFragment();
  let left = MAX_NODES;
  const copy = (from: Node, to: Node): void => {
    for (const node of from.childNodes) {
      if (left-- <= 0) return;
      if (node instanceof Text) to.appendChild(document.createTextNode(node.data));
      if (!(node instanceof Element)) continue;
      const name = node.localName;
      if (DROPPED.has(name)) continue;
      copy(node, KEPT.has(name) ? to.appendChild(madeLike(node)) : to);
    }
  };
  copy(parsed.body, made);
  if (left <= 0 || html.length > MAX_CHARACTERS) made.append("…");
  return made;
}

function madeLike(element: Element): HTMLElement {
  const made = document.createElement(element.localName);
  for (const name of NUMBERS) {
    const value = Number(element.getAttribute(name));
    if (Number.isInteger(value) && value > 1 && value <= MAX_NUMBER) made.setAttribute(name, String(value));
  }
  return made;
}
