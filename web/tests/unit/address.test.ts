import { expect, test } from "vitest";
import { readAddress } from "../../src/talk/address";

test("an embedded page reports to the origin it is given, else to the page that holds it", () => {
  expect(readAddress("?embed&origin=https://shop.example", "https://other.example/x").parentOrigin).toBe("https://shop.example");
  expect(readAddress("?embed", "https://other.example/x").parentOrigin).toBe("https://other.example");
});

test("without a known origin nobody is told", () => {
  expect(readAddress("?embed&origin=*", "").parentOrigin).toBeNull();
  expect(readAddress("?embed&origin=javascript:alert(1)", "").parentOrigin).toBeNull();
});

test("agent, room and theme come from the query", () => {
  const wishes = readAddress("?agent=3&room=lobby&theme=dark", "");
  expect([wishes.agent, wishes.room, wishes.theme, wishes.embedded]).toEqual(["3", "lobby", "dark", false]);
  expect(readAddress("?theme=pink", "").theme).toBeNull();
});

test("a transparent frame is light unless it is told otherwise", () => {
  const themeOf = (search: string) => readAddress(search, "").theme;
  expect([themeOf("?embed"), themeOf("?embed&theme=dark"), themeOf("?embed&theme=auto")]).toEqual(["light", "dark", null]);
});
