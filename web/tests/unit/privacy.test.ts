import { afterEach, expect, it, vi } from "vitest";
import { verifyTrail } from "../../src/platform/audit";
import type { Request } from "../../src/platform/privacy";
import { changesOf, isShorter, type Keeping, namesIn, spansOf } from "../../src/privacy/kept";
import { isNamed, nameOf, newest, personOf } from "../../src/privacy/person";

const nobody = { phone: "", email: "", identity: "", endUser: "" };
const keeping: Keeping = { retention_days: 30, store_transcripts: true, redact: false, redact_names: ["Ada"] };

afterEach(() => vi.unstubAllGlobals());

it("reads whom somebody means, a number in any grouping", () => {
  expect(personOf({ ...nobody, phone: " +1 (775) 123-4567 " })).toEqual({ phone_number: "+17751234567" });
  expect(personOf({ phone: "", email: " ada@example.org ", identity: " customer-1 ", endUser: "12" })).toEqual({
    email: "ada@example.org",
    identity: "customer-1",
    end_user_id: 12,
  });
});

it("asks about nobody where nobody is named, or by an id that is none", () => {
  expect(() => personOf({ ...nobody, email: "  " })).toThrow("at least one");
  expect(() => personOf({ ...nobody, phone: "+17751234567", endUser: "1e3" })).toThrow("is a number");
});

it("erases only whom was typed as they are named", () => {
  const person = personOf({ phone: "+17751234567", email: "ada@example.org", identity: "", endUser: "" });
  expect(nameOf(person)).toBe("+17751234567");
  expect(["+17751234567", " +1 775 123-4567"].map((typed) => isNamed(typed, nameOf(person)))).toEqual([true, true]);
  expect(["", "+1775123456", "ada@example.org"].map((typed) => isNamed(typed, nameOf(person)))).toEqual([false, false, false]);
  expect(isNamed("customer1", "customer-1")).toBe(false);
  expect(nameOf({ end_user_id: 12 })).toBe("12");
});

it("merges exports and erasures by when they were asked for, and skips none", () => {
  const rows = (...ids: number[]): Request[] => ids.map((id) => ({ id }) as Request);
  const first = newest([rows(9, 8, 2), rows(7, 6, 5)], 4);
  expect(first.map(({ id }) => id)).toEqual([9, 8, 7, 6]);
  expect(newest([[], []], 4)).toEqual([]);
});

it("sends what was changed, and nothing else", () => {
  expect(changesOf(keeping, { ...keeping, redact_names: ["Ada"] })).toEqual({});
  expect(changesOf(keeping, { ...keeping, retention_days: null, redact: true })).toEqual({ retention_days: null, redact: true });
});

it("knows when less is kept than before", () => {
  const given = [[null, 90], [90, 30], [30, 90], [30, 30], [30, null], [null, null]] as const;
  expect(given.map(([before, wish]) => isShorter(before, wish))).toEqual([true, true, false, false, false, false]);
});

it("reads names by lines, each once", () => {
  expect(namesIn(" Ada Lovelace\n\nBob\r\nAda Lovelace\n")).toEqual(["Ada Lovelace", "Bob"]);
});

it("says for how long what is kept", () => {
  const [said, conversations] = spansOf(keeping);
  expect([said?.[1], conversations?.[1]]).toEqual(["30 days after they ended, where the agent keeps it too", "30 days after they ended"]);
  expect(spansOf({ ...keeping, retention_days: null, store_transcripts: false }).map(([, until]) => until).slice(0, 2)).toEqual([
    "Not at all: it is shown live, and on no disk",
    "For ever",
  ]);
});

it("verifies a long trail to its end, and adds up what was found", async () => {
  const head = { seq: 3, entry_id: 30, mac: "ab", at: "2026-03-10T12:00:00Z" };
  const answers = [
    { intact: false, entries: 2, next_after: 2, problems: [{ entry_id: 10, kind: "changed" }], head },
    { intact: true, entries: 1, next_after: null, problems: [], head },
  ];
  const asked: string[] = [];
  vi.stubGlobal("fetch", (path: string) => {
    asked.push(path);
    return Promise.resolve(new Response(JSON.stringify(answers.shift()), { headers: { "Content-Type": "application/json" } }));
  });
  const looked: number[] = [];
  const verdict = await verifyTrail((entries) => looked.push(entries), new AbortController().signal);
  expect(asked).toEqual(["/api/v1/audit/verify?after=0", "/api/v1/audit/verify?after=2"]);
  expect(looked).toEqual([2, 3]);
  expect(verdict).toMatchObject({ intact: false, entries: 3, problems: [{ entryId: 10, kind: "changed" }], head: { seq: 3, entryId: 30 } });
});
