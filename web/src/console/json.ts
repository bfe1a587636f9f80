/** JSON for reading: indented, its parts in colours. */

import { element } from "../dom/element";

const PARTS = /("(?:\\.|[^"\\])*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/g;

/** Text that is JSON is indented; other text stays as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The parts of JSON as elements: names, texts, and other values each with a class of their own. */
export function colouredJson(text: string): HTMLElement {
  const code = element("code", {});
  let end = 0;
  for (const found of text.matchAll(PARTS)) {
    code.append(text.slice(end, found.index));
    const [whole, quoted, colon] = found;
    const kind = quoted === undefined ? "value" : colon === undefined ? "text" : "name";
    code.append(element("span", { class: `json__${kind}` }, quoted ?? whole), colon ?? "");
    end = found.index + whole.length;
  }
  code.append(text.slice(end));
  return code;
}
