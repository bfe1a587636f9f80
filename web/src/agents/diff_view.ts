/** A comparison of two settings, drawn field by field. */

import { element } from "../dom/element";
import type { Settings } from "../platform/agent_settings";
import { type DiffLine, type FieldChange, fieldChanges, lineDiff, type Piece, wordDiff } from "./diff";
import { labelOf, valueWords } from "./words";

/** Unchanged lines that are shown around a change. */
const AROUND = 2;
const SHORT = 60;

/** `nameOf` is what a knowledge base is called, where that is known. */
export function diffView(before: Settings, after: Settings, nameOf: (base: number) => string): HTMLElement {
  const changes = fieldChanges(before, after);
  if (changes.length === 0) return element("p", { class: "section__empty" }, "No setting differs.");
  return element("div", { class: "diff" }, ...changes.map((change) => drawn(change, nameOf)));
}

/** The settings that differ, by what they are called. */
export function changedLabels(before: Settings, after: Settings): string[] {
  return fieldChanges(before, after).map(({ name }) => labelOf(name));
}

function drawn({ name, before, after }: FieldChange, nameOf: (base: number) => string): HTMLElement {
  const words = (value: unknown): string =>
    name === "knowledge_base_ids" && Array.isArray(value) ? value.map((id) => nameOf(Number(id))).join("\n") : valueWords(value);
  const [was, is] = [words(before), words(after)];
  const isLong = was.includes("\n") || is.includes("\n") || was.length > SHORT || is.length > SHORT;
  return element(
    "section",
    { class: "diff__field", "aria-label": labelOf(name) },
    element("h4", { class: "diff__name" }, labelOf(name)),
    isLong ? lines(folded(lineDiff(was, is))) : element("p", { class: "diff__short" }, ...short(was, is)),
  );
}

function short(was: string, is: string): Node[] {
  if (was === "") return [element("ins", {}, is)];
  if (is === "") return [element("del", {}, was)];
  const pieces = wordDiff(was, is);
  // Of two words with nothing in common, both are read more easily whole.
  const isMixed = was.includes(" ") && pieces.some(({ kind, text }) => kind === "same" && text.trim().length > 2);
  return isMixed ? pieces.map(marked) : [element("del", {}, was), element("span", { class: "diff__to", "aria-hidden": "true" }, "→"), element("ins", {}, is)];
}

function marked({ kind, text }: Piece): HTMLElement {
  return element(({ same: "span", removed: "del", added: "ins" } as const)[kind], {}, text);
}

function lines(all: readonly (DiffLine | number)[]): HTMLElement {
  return element(
    "div",
    { class: "diff__lines", tabindex: "0", role: "region", "aria-label": "Changed lines" },
    ...all.map((line) => {
      if (typeof line === "number") return element("p", { class: "diff__gap" }, line === 1 ? "1 line is the same" : `${line} lines are the same`);
      const sign = { same: " ", removed: "−", added: "+" }[line.kind];
      return element(
        "p",
        { class: "diff__line", "data-kind": line.kind },
        element("span", { class: "diff__sign", "aria-hidden": "true" }, sign),
        line.kind === "same" ? null : element("span", { class: "visually-hidden" }, line.kind === "removed" ? "Before: " : "After: "),
        element("span", { class: "diff__text" }, ...line.pieces.map(marked)),
      );
    }),
  );
}

/** Long stretches of unchanged lines become their number. */
export function folded(all: readonly DiffLine[]): (DiffLine | number)[] {
  const told: (DiffLine | number)[] = [];
  all.forEach((line, number) => {
    const isNear = all.slice(Math.max(0, number - AROUND), number + AROUND + 1).some(({ kind }) => kind !== "same");
    const last = told.at(-1);
    if (isNear) told.push(line);
    else if (typeof last === "number") told[told.length - 1] = last + 1;
    else told.push(1);
  });
  return told;
}
