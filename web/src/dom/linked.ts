/** Addresses in what people write, as links. */

import { element } from "./element";

export interface Part {
  readonly text: string;
  /** Where it leads; null for what is no address. */
  readonly href: string | null;
}

const ADDRESS = /\bhttps?:\/\/[^\s<>"]+/gi;
/** What ends a sentence is no part of the address in it. */
const AFTER = /[.,:;!?'’”]+$/;

/** Text in its parts. Only http and https are addresses. */
export function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const found of text.matchAll(ADDRESS)) {
    const address = trimmed(found[0]);
    if (!URL.canParse(address)) continue;
    if (found.index > end) parts.push({ text: text.slice(end, found.index), href: null });
    parts.push({ text: address, href: address });
    end = found.index + address.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end), href: null });
  return parts;
}

/** Text whose addresses open in a tab that knows nothing of this one. */
export function linked(text: string): (Node | string)[] {
  return partsOf(text).map((part) =>
    part.href === null ? part.text : element("a", { href: part.href, target: "_blank", rel: "noopener noreferrer" }, part.text),
  );
}

function trimmed(found: string): string {
  let address = found;
  for (;;) {
    const before = address;
    address = address.replace(AFTER, "");
    if (address.endsWith(")") && !address.includes("(")) address = address.slice(0, -1);
    if (address === before) return address;
  }
}
