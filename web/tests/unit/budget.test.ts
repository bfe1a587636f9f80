import { expect, it } from "vitest";
import { weigh } from "../../budget";

const parts = new Map([
  ["page.js", { bytes: 10, loads: ["shared.js", "page.css"], later: ["later.js", "other.js"] }],
  ["later.js", { bytes: 100, loads: ["shared.js"], later: [] }],
  ["shared.js", { bytes: 1, loads: ["page.js"], later: [] }],
  ["page.css", { bytes: 1000, loads: [], later: [] }],
  ["other.js", { bytes: 10_000, loads: ["shared.js"], later: [] }],
  ["apart.js", { bytes: 99_999, loads: ["shared.js"], later: [] }],
]);

it("weighs a page with all that it loads, each part once", () => {
  expect(weigh(parts, ["page.js"], true)).toBe(11_111);
  expect(weigh(parts, ["nowhere.js"], true)).toBe(0);
});

it("weighs a route with its frame, and not the other routes", () => {
  expect(weigh(parts, ["page.js", "later.js"], false)).toBe(1111);
});
