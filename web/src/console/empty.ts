/** What stands where there is nothing yet: why, and the next step. */

import { element } from "../dom/element";
import { icon, type IconName } from "../dom/icons";

export function emptyState(symbol: IconName, title: string, words: string, ...next: Node[]): HTMLElement {
  return element(
    "div",
    { class: "empty" },
    element("span", { class: "empty__symbol" }, icon(symbol, 28)),
    element("h2", { class: "empty__title" }, title),
    element("p", { class: "empty__words" }, words),
    next.length === 0 ? null : element("div", { class: "empty__next" }, ...next),
  );
}

/** A link that looks like a button. */
export function linkButton(words: string, href: string, kind: "action" | "plain" = "plain"): HTMLAnchorElement {
  return element("a", { class: kind === "action" ? "button button--action button--small" : "button button--small", href }, words);
}
