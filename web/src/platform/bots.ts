/** Bots and calendars, as their pages use the API. */

import { send } from "./api";
import { credentials, type Json } from "./client";

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

export interface Calendar {
  uuid: string;
  name: string;
  email: string;
}

export interface CalendarEvent {
  uuid: string;
  name: string;
  startTime: string;
  meetingUrl: string;
  isRecurring: boolean;
  hasBot: boolean;
}

/** States that nothing leaves. */
export const OVER: readonly BotState[] = ["completed", "failed", "cancelled"];

/** The newest bots. */
export async function bots(signal?: AbortSignal): Promise<Bot[]> {
  const answer = (await call("GET", "/bots/bots_with_metadata?limit=50", undefined, signal)) as { bots: Json[] };
  return answer.bots.map((row) => ({
    uuid: String(row["uuid"]),
    name: String(row["bot_name"]),
    meetingUrl: String(row["meeting_url"]),
    state: row["state"] as BotState,
    createdAt: String(row["created_at"]),
    seconds: typeof row["duration"] === "number" ? row["duration"] : null,
  }));
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

export async function calendars(signal?: AbortSignal): Promise<Calendar[]> {
  const rows = (await call("GET", "/calendars/", undefined, signal)) as Json[];
  return rows.map((row) => ({ uuid: String(row["uuid"]), name: String(row["name"]), email: String(row["email"]) }));
}

/** Events of a calendar that are still to come, the next first. */
export async function calendarEvents(calendar: string, signal?: AbortSignal): Promise<CalendarEvent[]> {
  const answer = (await call("GET", `/calendar_events/?calendar_id=${encodeURIComponent(calendar)}&status=upcoming`, undefined, signal)) as {
    data: Json[];
  };
  return answer.data.map((row) => ({
    uuid: String(row["uuid"]),
    name: String(row["name"]),
    startTime: String(row["start_time"]),
    meetingUrl: String(row["meeting_url"]),
    isRecurring: row["is_recurring"] === true,
    hasBot: row["bot_param"] !== null && row["bot_param"] !== undefined,
  }));
}

/** A bot comes to an event. */
export async function scheduleBot(event: string, name: string): Promise<void> {
  await call("POST", `/calendar_events/${event}/bot`, { bot_name: name, speech_to_text: { provider: "Default" }, extra: {} });
}

export async function unscheduleBot(event: string): Promise<void> {
  await call("DELETE", `/calendar_events/${event}/bot`);
}

function call(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
  return send(method, path, credentials("x-meeting-baas-api-key"), body, signal);
}

function passage(row: Json): Passage {
  const words = (row["words"] as Json[]).map((word) => ({
    text: String(word["text"]),
    start: Number(word["start_time"]),
    end: Number(word["end_time"]),
  }));
  return { speaker: String(row["speaker"]), words };
}
