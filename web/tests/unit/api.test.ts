import { afterEach, expect, test, vi } from "vitest";
import { Platform } from "../../src/platform/api";

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
