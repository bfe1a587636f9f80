/** Who changed what in a project, and whether the trail of it is as it was written. */

import { ask, type Json, list, type Listed, numberOrNull, query, textOrNull } from "./client";

export interface Trace {
  id: number;
  at: string;
  keyId: string;
  keyLabel: string | null;
  action: string;
  target: Json;
  status: number;
}

export interface TraceFilter {
  search: string;
  method: string;
  keyId: string;
  from: string;
  to: string;
}

/** What was changed before `beforeId`, newest first. */
export function trail(filter: TraceFilter, beforeId: number | null, most: number, signal: AbortSignal): Promise<Listed<Trace>> {
  const asked = query({
    search: filter.search,
    method: filter.method,
    key_id: filter.keyId,
    from: filter.from,
    to: filter.to,
    before_id: beforeId,
    per_page: most,
  });
  return list(
    `/audit${asked}`,
    "entries",
    (row) => ({
      id: Number(row["id"]),
      at: String(row["at"]),
      keyId: String(row["key_id"]),
      keyLabel: textOrNull(row["key_label"]),
      action: String(row["action"]),
      target: row["target"] as Json,
      status: Number(row["status"]),
    }),
    signal,
  );
}

export type Damage = "changed" | "missing" | "unlinked" | "moved" | "cut";

/** How far the chain of a trail goes. */
export interface Head {
  seq: number;
  entryId: number;
  mac: string;
  at: string;
}

export interface Verdict {
  intact: boolean;
  /** Looked at. */
  entries: number;
  problems: { entryId: number | null; kind: Damage }[];
  head: Head | null;
}

const VERIFY_WITHIN_MS = 60_000;

/** Goes through the whole chain, one answer after another; `looked` hears how many entries so far. */
export async function verifyTrail(looked: (entries: number) => void, signal: AbortSignal): Promise<Verdict> {
  const verdict: Verdict = { intact: true, entries: 0, problems: [], head: null };
  let after: number | null = 0;
  while (after !== null) {
    const answer = (await ask("GET", `/audit/verify${query({ after })}`, undefined, signal, VERIFY_WITHIN_MS)) as Json;
    const head = answer["head"] as Json | null;
    verdict.intact &&= answer["intact"] === true;
    verdict.entries += Number(answer["entries"]);
    verdict.problems.push(...(answer["problems"] as Json[]).map((row) => ({ entryId: numberOrNull(row["entry_id"]), kind: row["kind"] as Damage })));
    verdict.head = head === null ? null : { seq: Number(head["seq"]), entryId: Number(head["entry_id"]), mac: String(head["mac"]), at: String(head["at"]) };
    after = numberOrNull(answer["next_after"]);
    looked(verdict.entries);
  }
  return verdict;
}
