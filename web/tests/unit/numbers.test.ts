import { expect, test } from "vitest";
import { numbersOf } from "../../src/agents/numbers_part";

test("a line is a number, however it is grouped, and a name", () => {
  expect(numbersOf("+17755550123 Sales\n\n  +1 (775) 555-0199   Night desk \n+442071838750")).toEqual([
    { number: "+17755550123", name: "Sales" },
    { number: "+17755550199", name: "Night desk" },
    { number: "+442071838750", name: "" },
  ]);
});

test("what is no number goes to the server as it is, which says so", () => {
  expect(numbersOf("sales +17755550123")).toEqual([{ number: "sales", name: "+17755550123" }]);
  expect(numbersOf("+1775x")).toEqual([{ number: "+1775x", name: "" }]);
  expect(numbersOf("")).toEqual([]);
});
