import { afterEach, expect, test, vi } from "vitest";
import { Embedding } from "../../src/talk/embedding";
import { ANSWERED } from "../../src/talk/state";

afterEach(() => vi.unstubAllGlobals());

function embeddedBy(): { told: unknown[] } {
  const told: unknown[] = [];
  vi.stubGlobal("window", {});
  vi.stubGlobal("parent", { postMessage: (message: unknown, origin: string) => told.push([origin, message]) });
  return { told };
}

test("the embedding page hears when a call is recorded, once for each change", () => {
  const { told } = embeddedBy();
  const embedding = new Embedding("https://shop.example");
  embedding.state({ phase: "connecting", waitingFor: "server" });
  embedding.state(ANSWERED);
  embedding.state({ ...ANSWERED, recorded: true });
  embedding.state({ ...ANSWERED, recorded: true });
  embedding.state({ phase: "ended", seconds: 3.2, by: "you" });
  const call = { type: "parley:state", state: "call", persona: "joining", connection: "up", muted: false };
  expect(told).toEqual([
    ["https://shop.example", { type: "parley:state", state: "connecting" }],
    ["https://shop.example", { ...call, recorded: false }],
    ["https://shop.example", { ...call, recorded: true }],
    ["https://shop.example", { type: "parley:state", state: "ended", seconds: 3, by: "you" }],
  ]);
});

test("a page whose embedder is unknown tells nobody", () => {
  const { told } = embeddedBy();
  new Embedding(null).state({ ...ANSWERED, recorded: true });
  expect(told).toEqual([]);
});
