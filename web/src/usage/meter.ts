/** How much of something is used, as a bar beside its figures. */

import { element } from "../dom/element";

export interface MeterOptions {
  readonly label: string;
  /** Both figures in words. */
  readonly words: string;
  readonly used: number;
  /** Null: there is no end to it. */
  readonly limit: number | null;
  /** The share from which on it is told as nearly used up. */
  readonly warnAt?: number;
}

export function meter({ label, words, used, limit, warnAt = 0.8 }: MeterOptions): HTMLElement {
  const share = limit === null ? 0 : limit === 0 ? 1 : Math.min(1, used / limit);
  const state = limit === null ? "" : used >= limit ? "full" : share >= warnAt ? "near" : "";
  const bar = element("span", { class: "meter__bar" });
  bar.style.inlineSize = `${share * 100}%`;
  return element(
    "div",
    { class: "meter", ...(state === "" ? {} : { "data-state": state }) },
    element("span", { class: "meter__label" }, label),
    element("span", { class: "meter__words" }, words),
    limit === null
      ? null
      : element(
          "span",
          {
            class: "meter__track",
            role: "meter",
            "aria-label": label,
            "aria-valuemin": "0",
            "aria-valuemax": String(limit),
            "aria-valuenow": String(Math.min(used, limit)),
            "aria-valuetext": words,
          },
          bar,
        ),
  );
}
