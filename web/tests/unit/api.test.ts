import { afterEach, expect, test, vi } from "vitest";
import { Platform, send, Unreachable } from "../../src/platform/api";

afterEach(() => vi.unstubAllGlobals());

test("variables of the call travel with the request for a token", async () => {
  const answer = { token: "t", room: "r", wsUrl: "ws://x", agents_dispatched: [1] };
  const fetch = vi.fn(async (_path: string, _request: RequestInit) => Response.json(answer));
  vi.stubGlobal("fetch", fetch);
  await new Platform("pk_x").admit({ identity: "web-1", room: "r", personaId: 1, variables: { name: "Grace" } });
  const [path, request] = fetch.mock.calls[0]!;
  expect(path).toBe("/api/v1/token");
  expect(JSON.parse(String(request.body))).toEqual({ identity: "web-1", room: "r", agent_config_id: 1, variables: { name: "Grace" } });
});

test("an answer without a body is an answer; one that breaks off, or is a page, is none", async () => {
  const answers = [new Response("", { status: 200 }), new Response("<h1>proxy</h1>", { status: 200 }), new Response('{"a": ', { status: 200 })];
  vi.stubGlobal("fetch", vi.fn(async () => answers.shift()!));
  expect(await send("DELETE", "/calendars/1", {})).toEqual({});
  await expect(send("GET", "/agents", {})).rejects.toThrow(Unreachable);
  await expect(send("GET", "/agents", {})).rejects.toThrow(Unreachable);
});

test("what a refusal without a body says is its status", async () => {
  vi.stubGlobal("fetch", vi.fn(async () => new Response("", { status: 502 })));
  await expect(send("GET", "/agents", {})).rejects.toThrow("502");
});

test("a session asks without a key", async () => {
  const fetch = vi.fn(async (_path: string, _request: RequestInit) => Response.json({ agents: [] }));
  vi.stubGlobal("fetch", fetch);
  await new Platform({ "X-Project": "2" }).personas();
  expect(fetch.mock.calls[0]![1].headers).toEqual({ "X-Project": "2" });
});
