/** All that is known of one session, as the API gives it; and the links that show it to others. Times are milliseconds. */

import { send } from "./api";
import { ask, type Json, textOrNull } from "./client";

export interface Word {
  readonly text: string;
  readonly start_ms: number;
  readonly end_ms: number;
}

export interface Line {
  readonly id: number;
  readonly speaker: "agent" | "user" | "system";
  readonly name: string;
  readonly content: string;
  readonly timestamp_ms: number;
  readonly duration_ms: number;
  readonly interrupted: boolean;
  readonly words_measured: boolean;
  readonly words: readonly Word[];
}

export interface Bar {
  readonly part: string;
  readonly begin_ms: number;
  readonly ms: number;
}

export interface Passage {
  readonly chunk_id: number;
  readonly source: string;
  readonly score: number;
  readonly heading: string | null;
  readonly content: string | null;
  readonly changed: boolean;
}

export interface Turn {
  readonly sequence: number;
  readonly speech_ended_ms: number | null;
  readonly audio_started_ms: number | null;
  readonly gap_ms: number | null;
  readonly waterfall: readonly Bar[];
  readonly passages: readonly Passage[];
}

export interface Tool {
  readonly name: string;
  readonly arguments: string | null;
  readonly result: string | null;
  readonly failed: boolean;
  readonly at_ms: number;
  readonly ms: number;
}

export interface Fault {
  readonly service: string;
  readonly source: string;
  readonly reason: string;
  readonly recovered: boolean;
  readonly at_ms: number;
}

export interface Fallback {
  readonly service: string;
  readonly wanted: string;
  readonly used: string;
  readonly reason: string;
  readonly at_ms: number;
}

export interface Sound {
  readonly id: number;
  readonly format: string;
  readonly channels: string;
  readonly status: "recording" | "completed" | "error";
  readonly error: string | null;
  readonly duration: number | null;
  readonly offset_ms: number | null;
  readonly missing_ms: number;
  readonly url: string | null;
  readonly peaks: { readonly names: readonly string[]; readonly peaks: readonly (readonly number[])[] } | null;
}

export interface Analysis {
  readonly status: "pending" | "ready" | "failed";
  readonly error: string | null;
  readonly summary: string | null;
  readonly topics: readonly string[] | null;
  readonly sentiment: string | null;
  readonly action_items: readonly { text: string; owner: string; evidence: readonly number[] }[] | null;
  readonly objectives: readonly { name: string; met: boolean; evidence: readonly number[] }[] | null;
  readonly criteria: readonly { name: string; score: number; reason: string; evidence: readonly number[] }[] | null;
  readonly talk_ratio: number | null;
  readonly interruptions: number;
  readonly barge_ins: number;
  readonly longest_silence_ms: number;
}

export interface Replay {
  readonly session: {
    readonly id: number;
    readonly room_name: string;
    readonly agent_name: string | null;
    readonly status: "active" | "completed";
    readonly session_type: string;
    readonly started_at: string;
    readonly outcome: string | null;
    readonly end_reason: string | null;
    readonly summary: string | null;
    readonly llm_model?: string | null;
  };
  readonly costs?: Readonly<Record<"total" | "llm" | "stt" | "tts" | "telephony" | "recording", number>>;
  readonly expires_at?: string;
  readonly transcript_kept: boolean;
  readonly duration_ms: number;
  readonly words_measured: boolean;
  readonly lines: readonly Line[];
  readonly turns: readonly Turn[];
  readonly tools: readonly Tool[];
  readonly fallbacks: readonly Fallback[];
  readonly faults: readonly Fault[];
  readonly recordings: readonly Sound[];
  readonly analysis: Analysis | null;
}

export interface Share {
  readonly id: number;
  readonly isActive: boolean;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly revokedAt: string | null;
  readonly opened: number;
}

export async function replayOf(sessionId: number, signal?: AbortSignal): Promise<Replay> {
  return (await ask("GET", `/sessions/${sessionId}/replay`, undefined, signal)) as Replay;
}

/** What a link shows. `ApiError` 404 for one that is none, 410 for one that is over. */
export async function sharedReplay(secret: string, signal?: AbortSignal): Promise<Replay> {
  return (await send("GET", "/api/v1/shared/replay", { Authorization: `Bearer ${secret}` }, undefined, signal)) as Replay;
}

/** A link that shows a session for so many seconds; its address is known only now. */
export async function share(sessionId: number, seconds: number): Promise<string> {
  const answer = (await ask("POST", `/sessions/${sessionId}/share`, { expires_in: seconds })) as { share: Json };
  return String(answer.share["url"]);
}

export async function shares(sessionId: number, signal?: AbortSignal): Promise<Share[]> {
  const answer = (await ask("GET", `/sessions/${sessionId}/shares`, undefined, signal)) as { shares: Json[] };
  return answer.shares.map((row) => ({
    id: Number(row["id"]),
    isActive: row["active"] === true,
    createdAt: String(row["created_at"]),
    expiresAt: String(row["expires_at"]),
    revokedAt: textOrNull(row["revoked_at"]),
    opened: Number(row["opened"]),
  }));
}

export async function revokeShare(sessionId: number, shareId: number): Promise<void> {
  await ask("DELETE", `/sessions/${sessionId}/shares/${shareId}`);
}
