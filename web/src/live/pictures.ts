/** A small picture of a mode: the three parties, and an arrow from each to whoever hears them. */

import matrix from "./matrix.json";
import type { Mode } from "../platform/supervision";

export type Party = "caller" | "persona" | "supervisor";

export const reaches: Readonly<Record<Mode, Readonly<Record<Party, readonly string[]>>>> = matrix;

const NS = "http://www.w3.org/2000/svg";
const PLACES: Readonly<Record<Party, readonly [number, number]>> = { caller: [16, 44], persona: [80, 44], supervisor: [48, 12] };
const RADIUS = 9;
const PARTIES: readonly Party[] = ["caller", "persona", "supervisor"];

export function pictureOf(mode: Mode): SVGSVGElement {
  const picture = node("svg", { class: "picture", viewBox: "0 0 96 56", "aria-hidden": "true" }) as SVGSVGElement;
  for (const speaker of PARTIES) {
    for (const listener of PARTIES) {
      if (listener !== speaker && reaches[mode][speaker].includes(listener)) picture.append(arrow(speaker, listener));
    }
  }
  for (const party of PARTIES) {
    const [x, y] = PLACES[party];
    const isHeard = reaches[mode][party].length > 0;
    const dot = node("circle", { class: `picture__party picture__party--${party}`, cx: x, cy: y, r: RADIUS - 2 });
    dot.setAttribute("data-heard", String(isHeard));
    picture.append(dot);
  }
  return picture;
}

/** In words, for those who do not see it. */
export function wordsOf(mode: Mode): string {
  const names: Record<string, string> = { caller: "the caller", persona: "the persona", supervisor: "you" };
  return PARTIES.map((speaker) => {
    const listeners = reaches[mode][speaker].map((listener) => names[listener] ?? listener);
    const who = speaker === "supervisor" ? "You are" : `${speaker === "caller" ? "The caller" : "The persona"} is`;
    return `${who} heard by ${listeners.length === 0 ? "nobody" : listeners.join(" and ")}.`;
  }).join(" ");
}

function arrow(from: Party, to: Party): SVGElement {
  const [x1, y1] = PLACES[from];
  const [x2, y2] = PLACES[to];
  const length = Math.hypot(x2 - x1, y2 - y1);
  const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
  // Each of two arrows between the same two keeps to its own side.
  const [sx, sy] = [-uy * 2.4, ux * 2.4];
  const at = (distance: number): [number, number] => [x1 + ux * distance + sx, y1 + uy * distance + sy];
  const [bx, by] = at(RADIUS + 1);
  const [ex, ey] = at(length - RADIUS - 1);
  const [hx, hy] = at(length - RADIUS - 5);
  const head = `M${hx + uy * 2.6} ${hy - ux * 2.6}L${ex} ${ey}L${hx - uy * 2.6} ${hy + ux * 2.6}`;
  return node("path", { class: `picture__arrow picture__arrow--${from}`, d: `M${bx} ${by}L${ex} ${ey}${head}` });
}

function node(name: string, attributes: Record<string, string | number>): SVGElement {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}
