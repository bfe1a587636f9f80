import { describe, expect, it } from "vitest";
import { Batch, keyOf } from "../../src/live/batch";
import { Calls } from "../../src/live/calls";
import { reaches } from "../../src/live/pictures";
import type { MonitorMessage } from "../../src/platform/monitor";

function message(type: string, data: Record<string, unknown>, id: number | null = null): MonitorMessage {
  const names = { full_room_name: "proj_r", room_name: "r", session_id: 1 };
  return { type, id, timestamp: "2026-01-01T00:00:00.000Z", data: { ...names, ...data } };
}

const interim = (content: string) => message("transcript.new", { speaker: "user", content, is_final: false });

describe("batch", () => {
  it("gives messages on in their order, once a frame, and of interim ones the last", () => {
    const frames: (() => void)[] = [];
    const taken: MonitorMessage[][] = [];
    const batch = new Batch((messages) => taken.push(messages), () => {}, (draw) => frames.push(draw));
    batch.add(interim("He"));
    batch.add(message("participant.joined", { identity: "ada" }, 1));
    batch.add(interim("Hello"));
    batch.add(message("transcript.new", { speaker: "user", content: "Hello.", is_final: true }, 2));
    expect(taken).toEqual([]);
    expect(frames).toHaveLength(1);
    frames.shift()?.();
    expect(taken[0]?.map(({ data, id }) => [data["content"] ?? data["identity"], id])).toEqual([["ada", 1], ["Hello", null], ["Hello.", 2]]);
    expect(batch.waiting).toBe(0);
  });

  it("leaves nothing out of what is kept, however much comes", () => {
    const frames: (() => void)[] = [];
    let count = 0;
    const batch = new Batch((messages) => (count += messages.length), () => {}, (draw) => frames.push(draw));
    for (let id = 1; id <= 1_000; id += 1) batch.add(message("participant.joined", { identity: `p${id}` }, id));
    for (let draw = frames.shift(); draw !== undefined; draw = frames.shift()) draw();
    expect(count).toBe(1_000);
  });

  it("has a bound, and says when it was reached", () => {
    let lost = 0;
    const batch = new Batch(() => {}, () => (lost += 1), () => {});
    for (let id = 1; id <= 20_001; id += 1) batch.add(message("participant.joined", {}, id));
    expect(lost).toBe(1);
    expect(batch.waiting).toBe(1);
  });

  it("never leaves out a final line", () => {
    expect(keyOf(message("transcript.new", { is_final: true }, 3))).toBeNull();
    expect(keyOf(message("supervision.changed", {}, 4))).toBeNull();
  });
});

describe("calls", () => {
  it("folds what goes on in a call", () => {
    const calls = new Calls();
    calls.apply(message("persona.state", { state: "thinking" }));
    calls.apply(message("turn.measured", { heard_gap_ms: 840, parts: { model_ms: 300 }, passages: 2 }, 1));
    calls.apply(message("transcript.new", { speaker: "agent", content: "Good morning." }, 2));
    calls.apply(message("supervision.changed", { supervisor: "supervisor-1", name: "Dana", mode: "takeover" }, 3));
    const state = calls.of("proj_r");
    expect([state.persona, state.turns[0]?.gap, state.lastLine]).toEqual(["thinking", 840, "Good morning."]);
    expect(calls.supervisedAs("proj_r")).toEqual({ name: "Dana", mode: "takeover" });
    calls.apply(message("supervision.changed", { supervisor: "supervisor-1", name: "Dana", mode: "listen" }, 4));
    expect(calls.supervisedAs("proj_r")).toBeNull();
  });

  it("keeps the last turns alone, and the last thing that went wrong", () => {
    const calls = new Calls();
    for (let id = 1; id <= 100; id += 1) calls.apply(message("turn.measured", { heard_gap_ms: id }, id));
    calls.apply(message("session.failed", { end_reason: "model_failed" }, 101));
    expect(calls.of("proj_r").turns.map(({ gap }) => gap)).toHaveLength(30);
    expect(calls.of("proj_r").turns.at(-1)?.gap).toBe(100);
    expect(calls.of("proj_r").warning).toContain("a model failed");
  });
});

it("nobody but the persona hears a whisper, and nobody the persona in a takeover", () => {
  expect(reaches.whisper.supervisor).toEqual(["persona"]);
  expect(reaches.takeover.persona).toEqual([]);
});
