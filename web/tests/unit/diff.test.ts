import { expect, test } from "vitest";
import { type DiffLine, fieldChanges, lineDiff, wordDiff } from "../../src/agents/diff";

const written = (lines: readonly DiffLine[]): string[] =>
  lines.map(({ kind, pieces }) => {
    const sign = { same: " ", removed: "-", added: "+" }[kind];
    return sign + pieces.map((piece) => (piece.kind === "same" ? piece.text : `[${piece.text}]`)).join("");
  });

test("equal texts have no changed line", () => {
  expect(lineDiff("a\nb", "a\nb").every(({ kind }) => kind === "same")).toBe(true);
  expect(lineDiff("", "")).toEqual([]);
});

test("a line that was put in between stands alone", () => {
  expect(written(lineDiff("You are Ada.\nBe brief.", "You are Ada.\nBe kind.\nBe brief."))).toEqual([" You are Ada.", "+[Be kind.]", " Be brief."]);
});

test("a changed line is told word by word, the old above the new", () => {
  expect(written(lineDiff("Open from 9 to 5 daily.", "Open from 10 to 5 daily."))).toEqual([
    "-Open from [9] to 5 daily.",
    "+Open from [10] to 5 daily.",
  ]);
});

test("lines without much in common are replaced whole", () => {
  expect(written(lineDiff("Say hello.", "Never mention a price to strangers"))).toEqual(["-[Say hello.]", "+[Never mention a price to strangers]"]);
});

test("a text from nothing is all new, and into nothing all gone", () => {
  expect(written(lineDiff("", "one\ntwo"))).toEqual(["+[one]", "+[two]"]);
  expect(written(lineDiff("one", ""))).toEqual(["-[one]"]);
});

test("both sides can be put together again from a comparison", () => {
  const before = "the quick brown fox\njumps over\n\nthe lazy dog\nend";
  const after = "the slow brown fox\nand\njumps\nthe lazy cat\nend\n";
  const lines = lineDiff(before, after);
  const side = (kind: "removed" | "added"): string =>
    lines
      .filter((line) => line.kind === "same" || line.kind === kind)
      .map(({ pieces }) => pieces.map(({ text }) => text).join(""))
      .join("\n");
  expect(side("removed")).toBe(before);
  expect(side("added")).toBe(after);
});

test("words are compared, not letters", () => {
  expect(wordDiff("Hello, Ada!", "Hello, Grace!")).toEqual([
    { kind: "same", text: "Hello, " },
    { kind: "removed", text: "Ada" },
    { kind: "added", text: "Grace" },
    { kind: "same", text: "!" },
  ]);
});

test("texts of the longest length are compared within moments, and still add up", () => {
  const word = (number: number): string => `w${(number * 7919) % 9973}`;
  const before = Array.from({ length: 8_000 }, (_, number) => word(number)).join(" ");
  const after = Array.from({ length: 8_000 }, (_, number) => word(number + 3_000)).join(" ");
  const begun = performance.now();
  const pieces = wordDiff(before, after);
  expect(performance.now() - begun).toBeLessThan(2_000);
  expect(pieces.filter(({ kind }) => kind !== "added").map(({ text }) => text).join("")).toBe(before);
});

test("objects are told part by part, lists whole, and what is the same not at all", () => {
  const before = { name: "Ada", llm_model: null, turn_taking: { detection: "model", max_endpointing_delay: 0.9 }, tools: [{ name: "end_call" }] };
  const after = { name: "Ada", llm_model: "m", turn_taking: { max_endpointing_delay: 1.5, detection: "model" }, tools: [] };
  expect(fieldChanges(before, after)).toEqual([
    { name: "llm_model", before: null, after: "m" },
    { name: "turn_taking.max_endpointing_delay", before: 0.9, after: 1.5 },
    { name: "tools", before: [{ name: "end_call" }], after: [] },
  ]);
});

test("a field that one of two versions does not know differs only where the other has a value", () => {
  expect(fieldChanges({}, { record_notice: "Recorded." })).toEqual([{ name: "record_notice", before: null, after: "Recorded." }]);
  expect(fieldChanges({}, { llm_model: null })).toEqual([]);
});
