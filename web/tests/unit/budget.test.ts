import { expect, it } from "vitest";
import { weigh } from "../../budget";

it("weighs a page with all that it loads, each part once", () => {
  const parts = new Map([
    ["page.js", { bytes: 10, loads: ["shared.js", "later.js", "page.css"] }],
    ["later.js", { bytes: 100, loads: ["shared.js"] }],
    ["shared.js", { bytes: 1, loads: ["page.js"] }],
    ["page.css", { bytes: 1000, loads: [] }],
    ["other.js", { bytes: 9999, loads: ["shared.js"] }],
  ]);
  expect(weigh(parts, "page.js")).toBe(1111);
  expect(weigh(parts, "nowhere.js")).toBe(0);
});
