/** What the live monitor asks of the API, beside its socket. */

import type { ActiveSession, OpenRoom, SpokenLine } from "./api";
import { ask, type Json, textOrNull } from "./client";

export async function openRooms(signal: AbortSignal): Promise<OpenRoom[]> {
  const answer = (await ask("GET", "/rooms", undefined, signal)) as Json;
  return (answer["rooms"] as Json[]).map((row) => ({
    fullName: String(row["fullName"]),
    name: String(row["name"]),
    people: Number(row["numParticipants"]),
  }));
}

export async function activeSessions(signal: AbortSignal): Promise<ActiveSession[]> {
  const answer = (await ask("GET", "/sessions?status=active&per_page=100", undefined, signal)) as Json;
  return (answer["sessions"] as Json[]).map((row) => ({
    id: Number(row["id"]),
    fullRoomName: String(row["room_name"]),
    agentName: textOrNull(row["agent_name"]),
    startedAt: Date.parse(String(row["started_at"])),
  }));
}

export async function transcriptOf(sessionId: number, signal: AbortSignal): Promise<SpokenLine[]> {
  const answer = (await ask("GET", `/sessions/${sessionId}/transcript`, undefined, signal)) as Json;
  return (answer["transcripts"] as Json[]).map((row) => ({
    speaker: String(row["speaker"]),
    text: String(row["content"]),
    timestampMs: Number(row["timestamp_ms"]),
  }));
}

export async function monitorTicket(): Promise<string> {
  return String(((await ask("POST", "/monitor/tickets")) as Json)["ticket"]);
}
