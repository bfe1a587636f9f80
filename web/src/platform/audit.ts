/** Who changed what in a project. */

import { type Json, list, type Listed, query, textOrNull } from "./client";

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
