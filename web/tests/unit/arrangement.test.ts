import { describe, expect, it } from "vitest";
import { arrange, arrangePresentation, order, PER_PAGE, type Place, stripHolds } from "../../src/meeting/arrangement";

const DESKTOP = { width: 1240, height: 660 };
const PHONE = { width: 374, height: 700 };

function isSound(places: Place[], area: { width: number; height: number }): boolean {
  const within = places.every(({ x, y, width, height }) => x >= 0 && y >= 0 && x + width <= area.width + 1 && y + height <= area.height + 1);
  const apart = places.every((one, index) =>
    places.slice(index + 1).every((other) => one.x + one.width <= other.x || other.x + other.width <= one.x || one.y + one.height <= other.y || other.y + other.height <= one.y),
  );
  return within && apart;
}

describe("where tiles stand", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9])("%i tiles stand beside each other within the stage, on a desktop and on a phone", (count) => {
    for (const area of [DESKTOP, PHONE]) {
      const places = arrange(count, area);
      expect(places).toHaveLength(count);
      expect(isSound(places, area)).toBe(true);
      for (const { width, height } of places) expect(width / height).toBeLessThan(1.8);
    }
  });

  it("puts two beside each other on a desktop and one above the other on a phone", () => {
    const [left, right] = arrange(2, DESKTOP);
    expect(left?.y).toBe(right?.y);
    const [above, below] = arrange(2, PHONE);
    expect(above?.x).toBe(below?.x);
  });

  it("gives what is shown most of the stage", () => {
    for (const area of [DESKTOP, PHONE]) {
      const places = arrangePresentation(stripHolds(area), area);
      expect(isSound(places, area)).toBe(true);
      const [screen] = places;
      expect((screen?.width ?? 0) * (screen?.height ?? 0)).toBeGreaterThan(area.width * area.height * 0.6);
    }
  });

  it("has no places where there is no room", () => {
    expect(arrange(3, { width: 0, height: 0 })).toEqual([]);
    expect(arrange(0, DESKTOP)).toEqual([]);
  });
});

describe("who stands on the first page", () => {
  const ids = Array.from({ length: 12 }, (_, index) => `p${index}`);

  it("is everybody in their order while nobody speaks", () => {
    expect(order(ids, new Map(), PER_PAGE)).toEqual(ids);
  });

  it("is whoever speaks, in the place of the one silent for longest, and never in one's own", () => {
    const spoke = new Map([["p1", 5], ["p11", 9]]);
    const shown = order(ids, spoke, PER_PAGE);
    expect(shown.slice(0, PER_PAGE)).toContain("p11");
    expect(shown[0]).toBe("p0");
    expect(shown[1]).toBe("p1");
    expect([...shown].sort()).toEqual([...ids].sort());
  });

  it("does not move those who are there already", () => {
    const spoke = new Map([["p11", 9]]);
    const before = order(ids, spoke, PER_PAGE).slice(0, PER_PAGE);
    const after = order(ids, new Map([...spoke, ["p3", 12]]), PER_PAGE).slice(0, PER_PAGE);
    expect(after.filter((id) => before.includes(id)).length).toBeGreaterThanOrEqual(PER_PAGE - 1);
  });
});
