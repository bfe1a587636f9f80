import { expect, it } from "vitest";
import { pretty } from "../../src/console/json";

it("indents JSON and leaves other text alone", () => {
  expect(pretty('{"a":[1,"two"]}')).toBe('{\n  "a": [\n    1,\n    "two"\n  ]\n}');
  expect(pretty("thank you")).toBe("thank you");
  expect(pretty("")).toBe("");
});
