/** The gap before an answer: in one bar beside the line, and as a waterfall with figures. */

import { clock, milliseconds } from "../console/words";
import { element } from "../dom/element";
import type { Turn } from "../platform/replay";
import { placed } from "./time";

export const PARTS: Record<string, string> = {
  recognition: "Recognition",
  endpointing: "Endpointing",
  retrieval: "Retrieval",
  model: "Model",
  tools: "Tools",
  speech: "Speech",
  transport: "Transport",
  other: "Unexplained",
};

/** All parts in one bar. */
export function stacked(turn: Turn): HTMLElement {
  const bar = element("span", { class: "gap__bar", "aria-hidden": "true" });
  for (const { part, width } of placed(turn.waterfall, turn.gap_ms ?? 0)) {
    const piece = element("span", { class: "gap__piece", "data-part": part });
    piece.style.width = `${width}%`;
    bar.append(piece);
  }
  return bar;
}

/** A row for each part, where it begins and how long it is; a table for screen readers. */
export function waterfall(turn: Turn, number: number): HTMLElement {
  const gap = turn.gap_ms ?? 0;
  const rows = placed(turn.waterfall, gap).map(({ part, left, width, ms }) => {
    const bar = element("span", { class: "fall__bar", "data-part": part });
    bar.style.marginInlineStart = `${left}%`;
    bar.style.width = `${width}%`;
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, PARTS[part] ?? part),
      element("td", { class: "fall__track", "aria-hidden": "true" }, bar),
      element("td", { class: "fall__ms" }, milliseconds(ms)),
    );
  });
  const sum = turn.waterfall.reduce((whole, { ms }) => whole + ms, 0);
  return element(
    "table",
    { class: "fall" },
    element("caption", { class: "visually-hidden" }, `Answer ${number}, at ${clock(turn.audio_started_ms ?? 0)}: where ${milliseconds(gap)} went`),
    element("colgroup", {}, element("col", { class: "fall__name" }), element("col"), element("col", { class: "fall__figure" })),
    element("tbody", {}, ...rows),
    element(
      "tfoot",
      {},
      element("tr", {}, element("th", { scope: "row" }, "Heard gap"), element("td", { "aria-hidden": "true" }), element("td", { class: "fall__ms", "data-sum": String(sum) }, milliseconds(gap))),
    ),
  );
}

export function legend(): HTMLElement {
  return element(
    "ul",
    { class: "gap__legend", "aria-hidden": "true" },
    ...Object.entries(PARTS).map(([part, words]) => element("li", { "data-part": part }, words)),
  );
}
