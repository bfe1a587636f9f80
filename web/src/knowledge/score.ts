/** What a score is made of, drawn as bars. */

import { element } from "../dom/element";
import type { Parts } from "../platform/knowledge";

/** Below this best score a base holds nothing relevant, and an agent says so. */
export const RELEVANT = 0.4;

const PARTS: readonly (readonly [keyof Parts, string, string])[] = [
  ["cosine", "Meaning", "How near the passage is to the question in meaning (cosine)"],
  ["bm25", "Words", "How well its words fit the question's, rare ones most (BM25)"],
  ["coverage", "Coverage", "Share of the question's weight in rare words that the passage holds"],
  ["fusion", "Both", "Half meaning, half words: what orders the passages"],
  ["confidence", "Confidence", "That the best passage is about the question: the same for all"],
];

/** The parts of a score as bars from 0 to 1, each with its figure. */
export function scoreBars(parts: Parts): HTMLElement {
  return element(
    "dl",
    { class: "bars" },
    ...PARTS.map(([name, label, what]) => {
      const value = parts[name];
      const bar = element("span", { class: "bars__fill", "data-part": name });
      bar.style.setProperty("--share", String(share(value)));
      return element(
        "div",
        { class: "bars__row", title: what },
        element("dt", {}, label),
        element("dd", {}, element("span", { class: "bars__bar", "aria-hidden": "true" }, bar), element("span", { class: "bars__figure" }, figure(value))),
      );
    }),
  );
}

/** A score with two digits; what is above none is not shown as none. */
export function figure(value: number): string {
  return value > 0 && value < 0.005 ? "<0.01" : value.toFixed(2);
}

/** The share of a bar that is filled: a BM25 may be beyond its scale. */
export function share(value: number): number {
  return Math.min(1, Math.max(0, value));
}
