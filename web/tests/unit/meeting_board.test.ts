import { beforeEach, describe, expect, it } from "vitest";
import { Board } from "../../src/meeting/board";

const person = (id: string, name: string, more: object = {}) => ({
  participantId: id,
  name,
  isAdmin: false,
  isBot: false,
  muted: false,
  handRaised: false,
  ...more,
});

let board: Board;

beforeEach(() => {
  board = new Board();
  board.enter({
    participantId: "p_ada",
    participants: [person("p_ada", "Ada", { isAdmin: true }), person("agent-1", "Nora", { isBot: true })],
    meeting: { meetingId: "a-b-c", title: "Standup", locked: false, recording: true, controls: { enable_chat: true } },
    waiting: [{ participantId: "p_bob", name: "Bob" }],
  });
});

describe("a meeting as the socket tells it", () => {
  it("knows at joining who is there, who waits, what is allowed and that it is recorded", () => {
    expect([...board.people.keys()]).toEqual(["p_ada", "agent-1"]);
    expect(board.isHost).toBe(true);
    expect(board.waiting).toEqual([{ id: "p_bob", name: "Bob" }]);
    expect(board.recording).toBe(true);
    expect([board.allows("enable_chat"), board.allows("enable_video")]).toEqual([true, false]);
  });

  it("says once that somebody came, though it is told twice", () => {
    expect(board.apply("participant:joined", person("p_bob", "Bob"))).toEqual({ kind: "came", name: "Bob" });
    expect(board.apply("participant:joined", person("p_bob", "Bob"))).toBeNull();
    expect(board.waiting).toEqual([]);
    expect(board.apply("participant:left", { participantId: "p_bob" })).toEqual({ kind: "left", name: "Bob" });
    expect(board.apply("participant:left", { participantId: "p_bob" })).toBeNull();
  });

  it("keeps hands, microphones and the lock", () => {
    expect(board.apply("hand:raised", { participantId: "agent-1" })).toEqual({ kind: "hand", name: "Nora" });
    expect(board.apply("hand:raised", { participantId: "agent-1" })).toBeNull();
    board.apply("participant:updated", { participantId: "agent-1", muted: true });
    expect(board.people.get("agent-1")).toMatchObject({ hand: true, muted: true });
    expect(board.apply("meeting:updated", { locked: true })).toEqual({ kind: "locked", on: true });
    expect(board.locked).toBe(true);
    expect(board.apply("meeting:updated", { locked: true, waitingRoom: true })).toEqual({ kind: "lobby", on: true });
    expect(board.apply("meeting:updated", { locked: true, waitingRoom: true })).toBeNull();
    expect(board.waits).toBe(true);
  });

  it("shows one's own line at once, and whether it arrived", () => {
    const line = board.say("Hello");
    expect(board.chat.map(({ name, text, state, own }) => [name, text, state, own])).toEqual([["Ada", "Hello", "sending", true]]);
    board.settle(line.key, "failed");
    expect(board.chat[0]?.state).toBe("failed");
    expect(board.unread).toBe(0);
  });

  it("counts what others write as unread", () => {
    const news = board.apply("chat:message", { participantId: "agent-1", name: "Nora", text: "Hi", sentAt: "2026-01-01T10:00:00Z" });
    expect(news).toMatchObject({ kind: "chat", line: { name: "Nora", text: "Hi", own: false, state: "sent" } });
    expect(board.unread).toBe(1);
  });

  it("replaces the words that are being said until they are final, and keeps two lines", () => {
    for (const [text, final] of [["Good", false], ["Good morning", false], ["Good morning.", true], ["How", false]] as const) {
      board.apply("transcript", { speaker: "agent", text, final });
    }
    expect(board.captions.map(({ speaker, text }) => [speaker, text])).toEqual([
      ["Nora", "Good morning."],
      ["Nora", "How"],
    ]);
    board.apply("transcript", { speaker: "user", text: "Fine", final: true });
    expect(board.captions.at(-1)).toEqual({ speaker: "Ada", text: "Fine", final: true });
    board.apply("transcript", { speaker: "agent", text: "How are you?", final: true });
    expect(board.captions.map(({ text }) => text)).toEqual(["Fine", "How are you?"]);
  });

  it("takes away what was begun and not said", () => {
    board.apply("transcript", { speaker: "agent", text: "I will", final: false });
    board.apply("transcript", { speaker: "agent", text: "", final: false });
    expect(board.captions).toEqual([]);
  });

  it("puts the light of the recording out and on", () => {
    expect(board.apply("recording", { status: "recording" })).toBeNull();
    expect(board.apply("recording", { status: "completed" })).toEqual({ kind: "recording", on: false });
    expect(board.apply("recording", { status: "recording" })).toEqual({ kind: "recording", on: true });
  });

  it("knows when the meeting ends once it is warned", () => {
    expect(board.apply("meeting:warning", { secondsLeft: 60 })).toEqual({ kind: "warning", seconds: 60 });
    expect(board.endsAt).toBeGreaterThan(Date.now() + 59_000);
    expect(board.apply("meeting:warning", { secondsLeft: "soon" })).toBeNull();
  });

  it("takes what there is after a cut in place of what was", () => {
    board.apply("participant:joined", person("p_bob", "Bob"));
    board.say("Hello");
    board.enter({ participantId: "p_ada", participants: [person("p_ada", "Ada")], meeting: { title: "Standup", controls: {} } });
    expect([...board.people.keys()]).toEqual(["p_ada"]);
    expect(board.chat).toHaveLength(1);
  });

  it("is not upset by nonsense", () => {
    for (const event of ["participant:joined", "chat:message", "transcript", "reaction", "unheard-of"]) board.apply(event, {});
    expect(board.apply("participant:updated", { participantId: 5, muted: "yes" })).toBeNull();
  });
});
