import { expect, test } from "vitest";
import { changesOf, isSame, partOf, putPart, variablesOf } from "../../src/agents/settings";
import { valueWords } from "../../src/agents/words";

test("a dotted name leads to its part, and puts it where there was none", () => {
  const settings = { turn_taking: { detection: "vad" } };
  expect(partOf(settings, "turn_taking.detection")).toBe("vad");
  expect(partOf(settings, "fallbacks.llm")).toBeUndefined();
  putPart(settings, "fallbacks.llm", []);
  putPart(settings, "turn_taking.detection", "model");
  expect(settings).toEqual({ turn_taking: { detection: "model" }, fallbacks: { llm: [] } });
});

test("only fields that differ are sent; the order of keys is no difference", () => {
  const before = { name: "Ada", turn_taking: { a: 1, b: 2 }, budget: null };
  expect(changesOf(before, { name: "Ada", turn_taking: { b: 2, a: 1 }, budget: { limit_usd: 5 } })).toEqual({ budget: { limit_usd: 5 } });
  expect(isSame([1, 2], [2, 1])).toBe(false);
});

test("variables are found in all texts, each once", () => {
  expect(variablesOf("Hello {{ name }}, of {{company}}", "{{name}} {{}} {{9}}")).toEqual(["name", "company"]);
});

test("values are said in words", () => {
  expect([valueWords(true), valueWords(false), valueWords(null), valueWords(0.5), valueWords(["a", "b"])]).toEqual(["On", "Off", "", "0.5", "a\nb"]);
});
