import { afterEach, expect, test, vi } from "vitest";

const ACCOUNT = { email: "g@example.org", name: "Grace", plan_display: "Free", created_at: "", balance: 0, used: 0, active_keys: 0, max_active_keys: 5 };

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules(); // whose requests are whose is kept by the module
});

/** A server that knows a session, or none, and two projects; what it was asked, with the project of each request. */
async function asked(account: object | null, chosen: string | null): Promise<{ asks: unknown[][]; keeps: Record<string, string> }> {
  const keeps: Record<string, string> = chosen === null ? {} : { "parley.project": chosen };
  vi.stubGlobal("sessionStorage", { getItem: (name: string) => keeps[name] ?? null, removeItem: (name: string) => delete keeps[name] });
  const asks: unknown[][] = [];
  const answers: Record<string, object> = {
    "/api/v1/auth/session": { account },
    "/api/v1/projects": { projects: [1, 2].map((id) => ({ id, name: `P${id}`, slug: `p${id}`, allowed_origins: [] })) },
    "/api/v1/agents": { agents: [] },
  };
  vi.stubGlobal("fetch", async (path: string, { headers }: { headers: Record<string, string> }) => {
    asks.push([path, headers["X-Project"] ?? null, "X-API-Key" in headers]);
    return Response.json(answers[path]);
  });
  const { platformOfSession } = await import("../../src/platform/settling");
  const platform = await platformOfSession();
  expect(platform === null).toBe(account === null);
  await platform?.personas();
  return { asks, keeps };
}

test("whoever has logged in needs no key, and works in the account's first project", async () => {
  const { asks } = await asked({ ...ACCOUNT, project: { id: 1, slug: "p1" } }, null);
  expect(asks).toEqual([
    ["/api/v1/auth/session", null, false],
    ["/api/v1/agents", null, false],
  ]);
});

test("a tab that works in another project does so on every page", async () => {
  const { asks } = await asked({ ...ACCOUNT, project: { id: 1, slug: "p1" } }, "2");
  expect(asks.at(-1)).toEqual(["/api/v1/agents", "2", false]);
});

test("a project that is gone is forgotten, and the first one stands for it", async () => {
  const { asks, keeps } = await asked({ ...ACCOUNT, project: { id: 1, slug: "p1" } }, "9");
  expect(asks.at(-1)).toEqual(["/api/v1/agents", null, false]);
  expect(keeps).toEqual({});
});

test("where nobody has logged in there is nothing to open", async () => {
  const { asks } = await asked(null, null);
  expect(asks).toEqual([["/api/v1/auth/session", null, false]]);
});
