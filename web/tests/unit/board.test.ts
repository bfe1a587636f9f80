import { expect, test } from "vitest";
import { Board, type Entry } from "../../src/monitor/board";
import type { MonitorMessage } from "../../src/platform/monitor";

let nextId = 0;

/** A board, and what a view that draws only what it is told would show. */
function watched(): { board: Board; drawn: Entry[]; texts: () => string[] } {
  const drawn: Entry[] = [];
  const placeOf = (key: string): number => drawn.findIndex((entry) => entry.key === key);
  const board = new Board(
    {
      added: (entry, before) => drawn.splice(before === null ? drawn.length : placeOf(before), 0, entry),
      replaced: (key, entry) => drawn.splice(placeOf(key), 1, entry),
      removed: (key) => drawn.splice(placeOf(key), 1),
      roomsChanged: () => undefined,
    },
    new Map([[1, "Robin"]]),
  );
  return { board, drawn, texts: () => drawn.map((entry) => entry.text) };
}

function message(type: string, data: Record<string, unknown> = {}, id: number | null = ++nextId): MonitorMessage {
  return { type, id, timestamp: "2026-03-31T10:00:05.000Z", data: { room_name: "lobby", full_room_name: "proj_lobby", ...data } };
}

function line(content: string, timestamp_ms: number, final = true, speaker = "user"): MonitorMessage {
  return message("transcript.new", { session_id: 4, speaker, content, timestamp_ms, is_final: final }, final ? ++nextId : null);
}

test("interim words give way to the final ones in their place", () => {
  const { board, drawn, texts } = watched();
  board.apply(line("How long", 100, false));
  board.apply(message("participant.joined", { identity: "ann", name: "Ann" }));
  board.apply(line("How long is", 100, false));
  board.apply(line("How long is it?", 100));
  expect(texts()).toEqual(["How long is it?", "Ann joined"]);
  expect(drawn[0]).toMatchObject({ final: true, speakerName: "Caller" });
  expect(drawn).toEqual(board.entries);
});

test("an interim line that comes after its final one is not shown", () => {
  const { board, texts } = watched();
  board.apply(line("How long is it?", 100));
  board.apply(line("How long", 100, false));
  expect(texts()).toEqual(["How long is it?"]);
  board.apply(line("And", 900, false));
  expect(texts()).toEqual(["How long is it?", "And"]);
});

test("an interim line without words takes the one before it away", () => {
  const { board, texts } = watched();
  board.apply(line("Your bicycle is", 100, false, "agent"));
  board.apply(line("", 100, false, "agent"));
  expect(texts()).toEqual([]);
  board.apply(line("Your bicycle is", 300, false, "agent"));
  board.apply(line("Your bicycle is ready.", 310, true, "agent"));
  expect(texts()).toEqual(["Your bicycle is ready."]);
});

test("two voices of a session are interim at the same time", () => {
  const { board, texts } = watched();
  board.apply(line("Hello", 100, false));
  board.apply(line("Hi", 120, false, "agent"));
  board.apply(line("Hello.", 100));
  expect(texts()).toEqual(["Hello.", "Hi"]);
});

test("what nobody finished saying goes with the call", () => {
  const { board, texts } = watched();
  board.apply(message("session.started", { session_id: 4, agent_config_id: 1 }));
  board.apply(line("How lo", 100, false));
  board.apply(message("session.ended", { session_id: 4, duration: 62, end_reason: "caller_left", outcome: "ok" }));
  expect(texts()).toEqual(["Call started", "Call ended after 1 minute 2 seconds: the caller left"]);
});

test("lines from before the page are put before the ones it saw, and none is shown twice", () => {
  const { board, texts } = watched();
  const session = { id: 4, fullRoomName: "proj_lobby", agentName: "Robin", startedAt: Date.parse("2026-03-31T10:00:00Z") };
  board.apply(line("third", 5_000));
  board.addEarlier(session, [
    { speaker: "agent", text: "first", timestampMs: 100 },
    { speaker: "user", text: "second", timestampMs: 900 },
    { speaker: "user", text: "third", timestampMs: 5_000 },
    { speaker: "user", text: "fourth", timestampMs: 6_000 },
  ]);
  board.apply(line("fourth", 6_000));
  expect(texts()).toEqual(["first", "second", "third", "fourth"]);
});

test("saying the same again is another line", () => {
  const { board, texts } = watched();
  board.apply(line("yes", 0));
  board.apply(line("yes", 0));
  expect(texts()).toEqual(["yes", "yes"]);
});

test("rooms, people and calls follow the messages between two lists", () => {
  const { board } = watched();
  board.reconcile([{ fullName: "proj_old", name: "old", people: 3 }], [], board.moment);
  board.apply(message("room.created"));
  board.apply(message("participant.joined", { identity: "ann", name: "" }));
  board.apply(message("session.started", { session_id: 4, agent_config_id: 1 }));
  expect(board.rooms().map(({ name, people }) => [name, people])).toEqual([
    ["lobby", 1],
    ["old", 3],
  ]);
  expect(board.room("proj_lobby")?.session?.agentName).toBe("Robin");
  board.apply(message("participant.left", { identity: "ann", reason: "left", cause: "client_initiated" }));
  board.apply(message("room.closed"));
  expect(board.rooms().map(({ name }) => name)).toEqual(["old"]);
});

test("a list that was asked for before a message does not undo it", () => {
  const { board } = watched();
  const asked = board.moment;
  board.apply(message("participant.joined", { identity: "ann", name: "" }));
  board.reconcile([], [], asked);
  expect(board.rooms().map(({ name }) => name)).toEqual(["lobby"]);
  board.reconcile([], [], board.moment);
  expect(board.rooms()).toEqual([]);
});

test("the oldest entries leave when there are too many", () => {
  const { board, drawn } = watched();
  for (let number = 0; number < 2_100; number += 1) board.apply(line(`line ${number}`, number));
  expect(board.entries).toHaveLength(2_000);
  expect(drawn[0]?.text).toBe("line 100");
});
