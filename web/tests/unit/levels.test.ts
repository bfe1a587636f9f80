import { expect, test } from "vitest";
import { LevelHistory, loudness } from "../../src/call/levels";

test("silence is zero, a full tone is one, speech lies between", () => {
  const tone = (peak: number): Float32Array => Float32Array.from({ length: 1024 }, (_, index) => peak * Math.sin(index / 5));
  expect(loudness(tone(0))).toBe(0);
  expect(loudness(tone(1))).toBeGreaterThan(0.95);
  expect(loudness(tone(0.05))).toBeGreaterThan(0.2);
  expect(loudness(tone(0.05))).toBeLessThan(0.6);
});

test("the history of a long call is bounded and forgets no loud moment", () => {
  const history = new LevelHistory(100);
  for (let index = 0; index < 5_000; index++) history.add(index === 2_500 ? 1 : 0, 0.2);
  const { persona, you } = history.overview(50);
  expect(persona).toHaveLength(50);
  expect(persona.indexOf(1)).toBeGreaterThan(20);
  expect(persona.indexOf(1)).toBeLessThan(30);
  expect(Math.max(...you)).toBe(0.2);
});
