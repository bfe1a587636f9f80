import { expect, test } from "vitest";
import { languageOf } from "../../src/call/sorry";

const packet = (text: string): Uint8Array => new TextEncoder().encode(text);

test("a notice says in which language", () => {
  expect(languageOf(packet('{"say": "sorry", "language": "pt-BR"}'))).toBe("pt-BR");
  expect(languageOf(packet('{"say": "sorry"}'))).toBe("en");
});

test.each(["", "sorry", "null", "[]", '{"say": "hello"}', '{"language": "de"}', "{"])("anything else is no notice: %s", (text) => {
  expect(languageOf(packet(text))).toBeNull();
});
