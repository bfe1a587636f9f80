import { expect, it } from "vitest";
import { find, linkOf } from "../../src/app/routes";
import { ceiling } from "../../src/console/chart";
import { rowsInSight } from "../../src/console/sight";
import { ago, counted } from "../../src/console/words";

const load = (): never => {
  throw new Error("not opened here");
};
const some = [{ path: "/console" }, { path: "/console/things" }, { path: "/console/things/:id" }].map((route) => ({ ...route, load }));

it("finds the page of a path, with what its parts say", () => {
  expect(find("/console/", some)?.route.path).toBe("/console");
  expect(find("/console/things/a%20b", some)?.params).toEqual({ id: "a b" });
  expect(find("/console/things/%zz", some)?.params).toEqual({ id: "%zz" });
  expect(find("/console/things/1/more", some)).toBeNull();
  expect(find("/console/others", some)).toBeNull();
});

it("knows which entry of the menu a page belongs to", () => {
  expect(linkOf("/console/sessions/12")).toBe("/console/sessions");
  expect(linkOf("/console/sessionsandmore")).toBeNull();
});

it("draws the rows in sight and some around, however long the list is", () => {
  const sight = { height: 520, rowHeight: 52, around: 5 };
  expect(rowsInSight({ ...sight, top: 0, total: 10_000 })).toEqual([0, 15]);
  expect(rowsInSight({ ...sight, top: 52_000, total: 10_000 })).toEqual([995, 1015]);
  expect(rowsInSight({ ...sight, top: 52_000, total: 3 })).toEqual([3, 3]);
  expect(rowsInSight({ ...sight, top: 0, total: 0 })).toEqual([0, 0]);
});

it("ends an axis at a round number", () => {
  expect([0, 0.7, 1, 3, 51, 100, 1001].map(ceiling)).toEqual([1, 1, 1, 5, 100, 100, 2000]);
});

it("says how long ago a moment was", () => {
  const now = Date.parse("2026-03-10T12:00:00Z");
  expect(ago("2026-03-10T11:59:30Z", now)).toBe("just now");
  expect(ago("2026-03-10T11:57:30Z", now)).toBe("2 min. ago");
  expect(ago("2026-03-09T10:00:00Z", now)).toBe("yesterday");
});

it("counts in words", () => {
  expect([0, 1, 1200].map((many) => counted(many, "passage"))).toEqual(["0 passages", "1 passage", "1,200 passages"]);
  expect(counted(2, "event is", "events are")).toBe("2 events are");
});
