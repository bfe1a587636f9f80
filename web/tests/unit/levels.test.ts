import { expect, test } from "vitest";
import { loudness } from "../../src/call/levels";

test("silence is zero, a full tone is one, speech lies between", () => {
  const tone = (peak: number): Float32Array => Float32Array.from({ length: 1024 }, (_, index) => peak * Math.sin(index / 5));
  expect(loudness(tone(0))).toBe(0);
  expect(loudness(tone(1))).toBeGreaterThan(0.95);
  expect(loudness(tone(0.05))).toBeGreaterThan(0.2);
  expect(loudness(tone(0.05))).toBeLessThan(0.6);
});
