import { expect, test } from "vitest";
import { clock, durationInWords, KEPT_LINES, type Line, Transcript } from "../../src/call/transcript";

const line = (change: Partial<Line>): Line => ({ segment: "s1", speaker: "you", text: "hello", final: false, at: 1, ...change });

test("final words replace the interim ones and keep the line's place and time", () => {
  const transcript = new Transcript();
  transcript.apply(line({ text: "nine fifty", at: 3 }));
  transcript.apply(line({ segment: "s2", speaker: "persona", text: "Yes", at: 4 }));
  transcript.apply(line({ text: "nine fifteen", final: true, at: 5 }));
  expect(transcript.lines().map(({ text, at }) => [text, at])).toEqual([
    ["nine fifteen", 3],
    ["Yes", 4],
  ]);
});

test("an interim version that arrives after the final one changes nothing", () => {
  const transcript = new Transcript();
  transcript.apply(line({ text: "done", final: true }));
  expect(transcript.apply(line({ text: "don" }))).toBeNull();
  expect(transcript.lines()[0]?.text).toBe("done");
});

test("a line without words does not appear", () => {
  expect(new Transcript().apply(line({ text: " " }))).toBeNull();
});

test("hanging up settles what was still interim", () => {
  const transcript = new Transcript();
  transcript.apply(line({ text: "I was about to" }));
  expect(transcript.settle()).toHaveLength(1);
  expect(transcript.lines()[0]?.final).toBe(true);
});

test("a very long call keeps a bounded number of lines", () => {
  const transcript = new Transcript();
  for (let index = 0; index < KEPT_LINES + 5; index++) transcript.apply(line({ segment: String(index) }));
  expect(transcript.lines()).toHaveLength(KEPT_LINES);
});

test("the copied text reads like a transcript of the API", () => {
  const transcript = new Transcript();
  transcript.apply(line({ text: " Hi. ", at: 65, final: true }));
  expect(transcript.toText("Nora")).toBe("[01:05] You: Hi.");
});

test("times and durations are written as people read them", () => {
  expect([clock(7.9), clock(3671)]).toEqual(["00:07", "1:01:11"]);
  expect([durationInWords(1), durationInWords(125)]).toEqual(["1 second", "2 minutes 5 seconds"]);
});
