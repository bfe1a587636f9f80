import { expect, test } from "vitest";
import { partsOf } from "../../src/dom/linked";

/** The addresses that are found. */
function found(text: string): (string | null)[] {
  const parts = partsOf(text);
  expect(parts.map((part) => part.text).join("")).toBe(text);
  return parts.flatMap((part) => (part.href === null ? [] : [part.href]));
}

test("an address is a link without what ends its sentence", () => {
  expect(found("See https://example.org/a?b=1#c.")).toEqual(["https://example.org/a?b=1#c"]);
  expect(found("(http://example.org/a), https://example.org/a_(b)!")).toEqual(["http://example.org/a", "https://example.org/a_(b)"]);
  expect(found("https://one.example\nhttps://two.example")).toEqual(["https://one.example", "https://two.example"]);
});

test("nothing but http and https leads anywhere", () => {
  for (const text of ["", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://example.org", "http://", "https://[", "example.org"]) {
    expect(found(text)).toEqual([]);
  }
});
