/** Bots, as their pages use the API. */

import { send } from "./api";
import { credentials, type Json, query } from "./client";

export type BotState = "scheduled" | "joining" | "waiting" | "attending" | "ending" | "completed" | "failed" | "cancelled";

export interface Bot {
  uuid: string;
  name: string;
  meetingUrl: string;
  state: BotState;
  createdAt: string;
  seconds: number | null;
}

export interface Word {
  text: string;
  /** Seconds of the recording. */
  start: number;
  end: number;
}

export interface Passage {
  speaker: string;
  words: Word[];
}

export interface BotData {
  name: string;
  meetingUrl: string;
  state: BotState;
  problem: string | null;
  /** A link that is good for an hour; empty while there is nothing to hear. */
  media: string;
  isSound: boolean;
  seconds: number;
  oneLine: boolean;
  passages: Passage[];
  chat: { name: string; text: string }[];
}

export interface BotWish {
  meetingUrl: string;
  name: string;
  recordingMode: "speaker_view" | "gallery_view" | "audio_only";
  transcribe: boolean;
}

/** States that nothing leaves. */
export const OVER: readonly BotState[] = ["completed", "failed", "cancelled"];

/** Bots, the newest first, fifty at a time; `next` leads on. */
export async function bots(cursor: string | null, signal?: AbortSignal): Promise<{ rows: Bot[]; next: string | null }> {
  const answer = (await call("GET", `/bots/bots_with_metadata${query({ limit: 50, cursor })}`, undefined, signal)) as { bots: Json[]; next_cursor: string | null };
  const rows = answer.bots.map((row) => ({
    uuid: String(row["uuid"]),
    name: String(row["bot_name"]),
    meetingUrl: String(row["meeting_url"]),
    state: row["state"] as BotState,
    createdAt: String(row["created_at"]),
    seconds: typeof row["duration"] === "number" ? row["duration"] : null,
  }));
  return { rows, next: answer.next_cursor };
}

/** Sends a bot; its UUID. */
export async function sendBot(wish: BotWish): Promise<string> {
  const made = (await call("POST", "/bots", {
    meeting_url: wish.meetingUrl,
    bot_name: wish.name,
    recording_mode: wish.recordingMode,
    reserved: false,
    ...(wish.transcribe ? { speech_to_text: { provider: "Default" } } : {}),
  })) as Json;
  return String(made["bot_id"]);
}

export async function dismissBot(uuid: string): Promise<void> {
  await call("DELETE", `/bots/${uuid}`);
}

export async function botData(uuid: string, signal?: AbortSignal): Promise<BotData> {
  const answer = (await call("GET", `/bots/meeting_data?bot_id=${encodeURIComponent(uuid)}`, undefined, signal)) as Json;
  const data = answer["bot_data"] as Json;
  const bot = data["bot"] as Json;
  return {
    name: String(bot["bot_name"]),
    meetingUrl: String(bot["meeting_url"]),
    state: data["state"] as BotState,
    problem: typeof bot["errors"] === "string" ? bot["errors"] : null,
    media: String(answer["mp4"] ?? ""),
    isSound: bot["recording_mode"] === "audio_only",
    seconds: Number(answer["duration"]),
    oneLine: data["heard_as"] === "one_line",
    passages: (data["transcripts"] as Json[]).map(passage),
    chat: (data["chat"] as Json[]).map((line) => ({ name: String(line["name"]), text: String(line["text"]) })),
  };
}

/** One request of the surface of bots and calendars; `within` milliseconds, where an answer may take longer than usual. */
export function call(method: string, path: string, body?: unknown, signal?: AbortSignal, within?: number): Promise<unknown> {
  return send(method, path, credentials("x-meeting-baas-api-key"), body, signal, within);
}

function passage(row: Json): Passage {
  const words = (row["words"] as Json[]).map((word) => ({
    text: String(word["text"]),
    start: Number(word["start_time"]),
    end: Number(word["end_time"]),
  }));
  return { speaker: String(row["speaker"]), words };
}
