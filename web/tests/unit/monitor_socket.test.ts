import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError, type Platform } from "../../src/platform/api";
import { MonitorSocket } from "../../src/platform/monitor";

class FakeSocket {
  static made: FakeSocket[] = [];
  readonly sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.made.push(this);
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {}

  say(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

const said: unknown[] = [];
const states: string[] = [];
const refused: string[] = [];
let ticket = vi.fn(async () => "mt_1");

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.made = [];
  for (const list of [said, states, refused]) list.length = 0;
  ticket = vi.fn(async () => `mt_${FakeSocket.made.length + 1}`);
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("location", { protocol: "https:", host: "voice.example.org" });
  vi.stubGlobal("addEventListener", () => undefined);
  vi.stubGlobal("removeEventListener", () => undefined);
  vi.stubGlobal("document", { addEventListener: () => undefined, removeEventListener: () => undefined });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function opened(): Promise<FakeSocket> {
  const platform = { monitorTicket: () => ticket() } as unknown as Platform;
  new MonitorSocket(platform, {
    connectionIs: (state) => states.push(state),
    message: (message) => said.push(message.id),
    refused: (why) => refused.push(why),
  }).open();
  await vi.advanceTimersByTimeAsync(0);
  const socket = newest();
  socket.onopen?.();
  return socket;
}

function newest(): FakeSocket {
  return FakeSocket.made.at(-1)!;
}

test("a ticket opens the socket and what came is not asked for again", async () => {
  const first = await opened();
  expect(first.url).toBe("wss://voice.example.org/ws/monitor?ticket=mt_1");
  first.say({ type: "subscribed", id: 5 });
  first.say({ type: "room.created", id: 6, data: {} });
  first.onclose?.({ code: 1006, reason: "" });
  await vi.advanceTimersByTimeAsync(1_000);
  const second = newest();
  second.onopen?.();
  expect(second.url).toContain("ticket=mt_2");
  expect(JSON.parse(second.sent[0]!)).toEqual({ action: "subscribe", channel: "rooms", after: 6 });
  second.say({ type: "subscribed", id: 6 });
  second.say({ type: "room.created", id: 6, data: {} });
  second.say({ type: "room.closed", id: 7, data: {} });
  expect(said).toEqual([6, 7]);
  expect(states).toEqual(["connecting", "live", "reconnecting", "reconnecting", "live"]);
});

test("a cut before the first event goes on from the subscription", async () => {
  const first = await opened();
  first.say({ type: "subscribed", id: 5 });
  first.onclose?.({ code: 1012, reason: "" });
  await vi.advanceTimersByTimeAsync(1_000);
  newest().onopen?.();
  expect(JSON.parse(newest().sent[0]!).after).toBe(5);
});

test("a silent line is given up and another one is opened", async () => {
  const first = await opened();
  first.say({ type: "subscribed", id: 5 });
  await vi.advanceTimersByTimeAsync(20_000);
  first.say({ type: "ping" });
  await vi.advanceTimersByTimeAsync(40_000);
  expect(FakeSocket.made).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(FakeSocket.made).toHaveLength(2);
});

test("a revoked key ends it with the reason", async () => {
  const socket = await opened();
  socket.say({ type: "subscribed", id: 5 });
  socket.onclose?.({ code: 4001, reason: "The API key was revoked" });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(refused).toEqual(["The API key was revoked"]);
  expect(FakeSocket.made).toHaveLength(1);
});

test("a server that is away is asked again, less and less often", async () => {
  ticket = vi.fn(async () => {
    throw new ApiError(503, "UNAVAILABLE", "Not now", null, null);
  });
  const platform = { monitorTicket: () => ticket() } as unknown as Platform;
  new MonitorSocket(platform, { connectionIs: () => undefined, message: () => undefined, refused: () => undefined }).open();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ticket.mock.calls.length).toBeGreaterThan(5);
  expect(ticket.mock.calls.length).toBeLessThan(20);
});
