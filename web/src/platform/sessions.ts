/** Conversations, as the API lists them. */

import { type Json, list, type Listed, numberOrNull, query, textOrNull } from "./client";

export interface SessionRow {
  id: number;
  roomName: string;
  agentName: string | null;
  status: "active" | "completed";
  type: string;
  seconds: number | null;
  lines: number;
  startedAt: string;
  outcome: string | null;
  endReason: string | null;
}

/** What narrows the list; an empty text does not. */
export interface SessionFilter {
  status: string;
  type: string;
  agentId: string;
  outcome: string;
  /** In the names of room, caller and agent; or a number. */
  search: string;
}

export function sessions(filter: SessionFilter, page: number, perPage: number, signal: AbortSignal): Promise<Listed<SessionRow>> {
  const asked = query({
    status: filter.status,
    session_type: filter.type,
    agent_config_id: filter.agentId,
    outcome: filter.outcome,
    search: filter.search.trim(),
    page,
    per_page: perPage,
  });
  return list(`/sessions${asked}`, "sessions", readSession, signal);
}

function readSession(row: Json): SessionRow {
  return {
    id: Number(row["id"]),
    roomName: String(row["room_name"]),
    agentName: textOrNull(row["agent_name"]),
    status: row["status"] as SessionRow["status"],
    type: String(row["session_type"]),
    seconds: numberOrNull(row["duration"]),
    lines: Number(row["message_count"]),
    startedAt: String(row["started_at"]),
    outcome: textOrNull(row["outcome"]),
    endReason: textOrNull(row["end_reason"]),
  };
}
