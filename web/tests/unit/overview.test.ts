import { describe, expect, it } from "vitest";
import { sentence } from "../../src/console/words";
import { change, dayBefore } from "../../src/overview/reading";
import { dayWords, daysOf, sums } from "../../src/usage/days";

const show = String;

describe("a figure beside the one before", () => {
  it("is told as a part of it", () => {
    expect(change(15, 10, show)).toBe("▲ 50 % · 10 yesterday by this time");
    expect(change(5, 10, show, "the 7 days before")).toBe("▼ 50 % · 10 the 7 days before");
  });

  it("is not told in percent of nothing, nor in thousands", () => {
    expect(change(3, 0, show)).toBe("None yesterday by this time");
    expect(change(0, 0, show)).toBe("As yesterday by this time: none");
    expect(change(300, 2, show)).toBe("2 yesterday by this time");
  });

  it("may be the same", () => {
    expect(change(1000, 1001, show)).toBe("The same as yesterday by this time");
  });
});

it("writes codes as words", () => {
  expect(sentence("model_failed")).toBe("Model failed");
});

it("counts days by the calendar, over the end of a month", () => {
  expect(dayBefore(new Date(2026, 2, 1, 0, 30), 0)).toBe("2026-03-01");
  expect(dayBefore(new Date(2026, 2, 1, 23, 59), 6)).toBe("2026-02-23");
});

describe("days of use", () => {
  it("are those of UTC up to now", () => {
    const now = new Date("2026-03-03T00:30:00Z");
    expect(daysOf("month", now)).toEqual(["2026-03-01", "2026-03-02", "2026-03-03"]);
    expect(daysOf("7d", now)[0]).toBe("2026-02-25");
    expect(daysOf("30d", now)).toHaveLength(30);
    expect(dayWords("2026-03-01")).toBe("Mar 1");
  });

  it("add up by group, the dearest first", () => {
    const row = { calls: 1, tokens: 10, minutes: 0, characters: 0 };
    const found = sums([
      { day: "2026-03-01", group: "a", cost: 1, ...row },
      { day: "2026-03-01", group: "b", cost: 1.5, ...row },
      { day: "2026-03-02", group: "a", cost: 2, ...row },
    ]);
    expect(found.map(({ name, cost, tokens }) => [name, cost, tokens])).toEqual([
      ["a", 3, 20],
      ["b", 1.5, 10],
    ]);
  });
});
