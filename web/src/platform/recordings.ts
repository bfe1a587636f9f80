/** Recordings, as the API lists them. */

import { ask, type Json, list, type Listed, numberOrNull, query, textOrNull } from "./client";

export interface Recording {
  id: number;
  roomName: string;
  sessionId: number | null;
  format: string;
  channels: string;
  status: "recording" | "completed" | "error";
  seconds: number | null;
  bytes: number | null;
  startedAt: string;
  consent: boolean | null;
  error: string | null;
}

export function recordings(filter: { status: string; room: string }, page: number, perPage: number, signal: AbortSignal): Promise<Listed<Recording>> {
  const asked = query({ status: filter.status, room_name: filter.room, page, per_page: perPage });
  return list(`/recordings${asked}`, "recordings", readRecording, signal);
}

/** An address that plays it for an hour, without a key. */
export async function recordingLink(id: number, signal?: AbortSignal): Promise<string> {
  const { url } = (await ask("POST", `/recordings/${id}/link`, { expires_in: 3600 }, signal)) as { url: string };
  return url;
}

export async function removeRecording(id: number): Promise<void> {
  await ask("DELETE", `/recordings/${id}`);
}

function readRecording(row: Json): Recording {
  return {
    id: Number(row["id"]),
    roomName: String(row["room_name"]),
    sessionId: numberOrNull(row["session_id"]),
    format: String(row["format"]),
    channels: String(row["channels"]),
    status: row["status"] as Recording["status"],
    seconds: numberOrNull(row["duration"]),
    bytes: numberOrNull(row["size_bytes"]),
    startedAt: String(row["started_at"]),
    consent: typeof row["consent"] === "boolean" ? row["consent"] : null,
    error: textOrNull(row["error"]),
  };
}
