/** What differs between two texts, or two versions of settings. No part of the page: plain data in, plain data out. */

import type { Settings } from "../platform/agent_settings";
import { isObject, isSame } from "./settings";

export type Kind = "same" | "removed" | "added";

/** A stretch of text that is in both, or in one of them. */
export interface Piece {
  readonly kind: Kind;
  readonly text: string;
}

/** A line of a comparison, with the stretches it is made of; a removed line is above the one that took its place. */
export interface DiffLine {
  readonly kind: Kind;
  readonly pieces: readonly Piece[];
}

export interface FieldChange {
  /** Dotted, as the API names it. */
  readonly name: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** Beyond this many comparisons a stretch counts as replaced whole: it would be no more readable, and take seconds. */
const MOST_COMPARED = 4_000_000;

/** Two texts line by line; where lines were changed, word by word. */
export function lineDiff(before: string, after: string): DiffLine[] {
  const told: DiffLine[] = [];
  let [removed, added]: [string[], string[]] = [[], []];
  const settle = (): void => {
    told.push(...changed(removed, added));
    [removed, added] = [[], []];
  };
  for (const { kind, items } of sequences(linesOf(before), linesOf(after))) {
    if (kind === "removed") removed.push(...items);
    else if (kind === "added") added.push(...items);
    else {
      settle();
      told.push(...items.map((text) => ({ kind, pieces: [{ kind, text }] })));
    }
  }
  settle();
  return told;
}

/** Two short texts word by word. */
export function wordDiff(before: string, after: string): Piece[] {
  return sequences(wordsOf(before), wordsOf(after)).map(({ kind, items }) => ({ kind, text: items.join("") }));
}

/** The fields in which two settings differ, by name; objects are told part by part, lists whole. */
export function fieldChanges(before: Settings, after: Settings, prefix = ""): FieldChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => {
    const [was, is] = [before[name], after[name]];
    if (isSame(was, is)) return [];
    if (isObject(was) && isObject(is)) return fieldChanges(was, is, `${prefix}${name}.`);
    return [{ name: prefix + name, before: was ?? null, after: is ?? null }];
  });
}

/** Lines that were replaced: each with the one that took its place, compared word by word while they have enough in common. */
function changed(removed: readonly string[], added: readonly string[]): DiffLine[] {
  const told: DiffLine[] = [];
  const most = Math.max(removed.length, added.length);
  for (let number = 0; number < most; number += 1) {
    const [was, is] = [removed[number], added[number]];
    const pieces = was === undefined || is === undefined ? [] : wordDiff(was, is);
    const together = lengthOf(pieces, "same") * 3 >= Math.max(was?.length ?? 0, is?.length ?? 0);
    const side = (kind: "removed" | "added", text: string): DiffLine => ({
      kind,
      pieces: together && pieces.length > 0 ? pieces.filter((piece) => piece.kind === "same" || piece.kind === kind) : [{ kind, text }],
    });
    if (was !== undefined) told.push(side("removed", was));
    if (is !== undefined) told.push(side("added", is));
  }
  return told;
}

function lengthOf(pieces: readonly Piece[], kind: Kind): number {
  return pieces.filter((piece) => piece.kind === kind).reduce((sum, { text }) => sum + text.length, 0);
}

interface Sequence {
  readonly kind: Kind;
  readonly items: string[];
}

/** The longest common subsequence of two lists, told as stretches; what is removed stands before what is added. */
function sequences(before: readonly string[], after: readonly string[]): Sequence[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  const told: Sequence[] = [];
  const tell = (kind: Kind, ...items: string[]): void => {
    const last = told.at(-1);
    if (items.length === 0) return;
    if (last?.kind === kind) last.items.push(...items);
    else told.push({ kind, items });
  };
  tell("same", ...before.slice(0, start));
  middle(before.slice(start, before.length - end), after.slice(start, after.length - end), tell);
  tell("same", ...before.slice(before.length - end));
  return told;
}

function middle(before: readonly string[], after: readonly string[], tell: (kind: Kind, ...items: string[]) => void): void {
  const [rows, columns] = [before.length, after.length];
  if (rows === 0 || columns === 0 || rows * columns > MOST_COMPARED) {
    tell("removed", ...before);
    tell("added", ...after);
    return;
  }
  const width = columns + 1;
  // How long the common part of both rests is, from each place on.
  const common = new Uint16Array((rows + 1) * width);
  for (let row = rows - 1; row >= 0; row -= 1) {
    for (let column = columns - 1; column >= 0; column -= 1) {
      const here = row * width + column;
      const [below = 0, beside = 0, beyond = 0] = [common[here + width], common[here + 1], common[here + width + 1]];
      common[here] = before[row] === after[column] ? beyond + 1 : Math.max(below, beside);
    }
  }
  let [row, column] = [0, 0];
  while (row < rows && column < columns) {
    const here = row * width + column;
    if (before[row] === after[column]) {
      tell("same", before[row] ?? "");
      row += 1;
      column += 1;
    } else if ((common[here + width] ?? 0) >= (common[here + 1] ?? 0)) {
      tell("removed", before[row] ?? "");
      row += 1;
    } else {
      tell("added", after[column] ?? "");
      column += 1;
    }
  }
  tell("removed", ...before.slice(row));
  tell("added", ...after.slice(column));
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.split("\n");
}

function wordsOf(text: string): string[] {
  return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
}
