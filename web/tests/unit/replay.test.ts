import { expect, test } from "vitest";
import { clock } from "../../src/console/words";
import type { Line, Sound, Turn } from "../../src/platform/replay";
import { bestSound, lastBegun, median, outline, placed, turnsOfLines, wholeOf } from "../../src/replay/time";

const sound = (fields: Partial<Sound>): Sound => ({
  id: 1,
  format: "ogg",
  channels: "mixed",
  status: "completed",
  error: null,
  duration: 10,
  offset_ms: 0,
  missing_ms: 0,
  url: "/file",
  peaks: null,
  ...fields,
});
const line = (speaker: Line["speaker"], timestamp_ms: number): Line => ({
  id: timestamp_ms,
  speaker,
  name: "",
  content: "",
  timestamp_ms,
  duration_ms: 1000,
  interrupted: false,
  words_measured: false,
  words: [],
});
const turn = (audio_started_ms: number, gap_ms: number | null = 500): Turn => ({
  sequence: audio_started_ms,
  speech_ended_ms: audio_started_ms - 500,
  audio_started_ms,
  gap_ms,
  waterfall: [],
  passages: [],
});

test("moments are written as clocks show them", () => {
  expect([0, 7_900, 723_000, 3_600_000, -5].map(clock)).toEqual(["0:00", "0:07", "12:03", "1:00:00", "0:00"]);
});

test("the word that is heard is the last that has begun", () => {
  const begins = [100, 200, 200, 900];
  expect([0, 100, 199, 200, 899, 5000].map((ms) => lastBegun(begins, ms))).toEqual([-1, 0, 0, 2, 2, 3]);
  expect(lastBegun([], 100)).toBe(-1);
});

test("what is played has both sides, and can be played at all", () => {
  const dual = sound({ id: 2, channels: "dual" });
  expect(bestSound([sound({ id: 3 }), dual])).toBe(dual);
  expect(bestSound([sound({ id: 3, channels: "dual", url: null }), sound({ id: 1 })])?.id).toBe(1);
  expect(bestSound([sound({ url: null })])).toBeNull();
  expect(bestSound([])).toBeNull();
});

test("the whole lasts as long as its words, or its sound", () => {
  expect(wholeOf(12_000, sound({ duration: 10, offset_ms: 500 }))).toBe(12_000);
  expect(wholeOf(8_000, sound({ duration: 10, offset_ms: 500 }))).toBe(10_500);
  expect(wholeOf(0, null)).toBe(1);
});

test("an answer is found by when its sound began, and belongs to one line", () => {
  const lines = [line("agent", 0), line("user", 2000), line("agent", 4100), line("agent", 4300), line("agent", 20_000)];
  const turns = [turn(4000), turn(20_100, null)];
  const found = turnsOfLines(lines, turns);
  expect([...found.keys()]).toEqual([2]);
  expect(found.get(2)).toBe(turns[0]);
});

test("a waveform is closed and within its frame", () => {
  const path = outline([0, 0.25, 1]);
  expect(path.startsWith("M0 ")).toBe(true);
  expect(path.endsWith("Z")).toBe(true);
  const heights = [...path.matchAll(/\d+ (-?[\d.]+)/g)].map(([, y]) => Number(y));
  expect(Math.min(...heights)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...heights)).toBeLessThanOrEqual(2);
  expect(outline([])).toBe("");
});

test("the bars of a gap fill it end to end", () => {
  const bars = placed(
    [
      { part: "recognition", begin_ms: 0, ms: 100 },
      { part: "model", begin_ms: 100, ms: 300 },
    ],
    400,
  );
  expect(bars.map(({ left, width }) => [left, width])).toEqual([
    [0, 25],
    [25, 75],
  ]);
  expect(placed([], 0)).toEqual([]);
});

test("the median of two gaps lies between them", () => {
  expect([median([]), median([3]), median([900, 500]), median([9, 1, 5])]).toEqual([0, 3, 700, 5]);
});
