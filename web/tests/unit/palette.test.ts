import { expect, it } from "vitest";
import { matching, type Target } from "../../src/app/palette";

const target = (words: string): Target => ({ words, kind: "Page", path: `/${words}`, icon: "lines" });
const targets = ["API keys", "Webhooks", "Settings", "Key account agent"].map(target);

it("finds by any words of a name, and first what begins with them", () => {
  expect(matching("key", targets).map(({ words }) => words)).toEqual(["Key account agent", "API keys"]);
  expect(matching("agent key", targets).map(({ words }) => words)).toEqual(["Key account agent"]);
  expect(matching("nothing", targets)).toEqual([]);
});

it("offers everything before a word is typed, and only so much", () => {
  expect(matching("", targets)).toHaveLength(4);
  expect(matching("", Array.from({ length: 50 }, (_, number) => target(`Agent ${number}`)))).toHaveLength(20);
});

it("takes a number for a session's", () => {
  expect(matching("#42", targets)[0]?.path).toBe("/console/sessions/42");
  expect(matching("42b", targets)).toEqual([]);
});
