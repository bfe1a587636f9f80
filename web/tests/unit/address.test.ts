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

test("variables of the call come from var.NAME, and values stay strings", () => {
  const variablesOf = (search: string) => readAddress(search, "").variables;
  expect(variablesOf("?agent=3&var.name=Grace&var.order%20no=42&var.note=")).toEqual({ name: "Grace", "order no": "42", note: "" });
  expect(variablesOf("?var.=a&var.%20=b&var=c&variable=d")).toEqual({});
  expect(variablesOf("?var.name=Grace&var.name=Ada")).toEqual({ name: "Grace" });
  expect(JSON.stringify(variablesOf("?var.__proto__=x"))).toBe('{"__proto__":"x"}');
});

test("at most fifty variables are taken, the first ones", () => {
  const many = Array.from({ length: 60 }, (_, index) => `var.v${index}=${index}`).join("&");
  const { variables } = readAddress(`?${many}`, "");
  expect(Object.keys(variables)).toHaveLength(50);
  expect([variables["v49"], variables["v50"]]).toEqual(["49", undefined]);
});
