/** Calendars that send bots, as their page uses the API. */

import { call } from "./bots";
import { type Json, textOrNull } from "./client";

/** Who keeps a calendar. */
export type Keeper = "ICS" | "CalDAV" | "Google" | "Microsoft";

/** What opens a calendar: the keeper, and the fields that it asks for. It is sent, and never read back. */
export type Access = { readonly platform: Keeper } & Readonly<Record<string, string>>;

export interface Calendar {
  uuid: string;
  name: string;
  email: string;
  keeper: Keeper;
  status: "active" | "failing" | "revoked";
  /** Why it cannot be read. */
  reason: string | null;
  /** When it was read last. */
  readAt: string | null;
}

/** One that an access opens. */
export interface Offered {
  id: string;
  name: string;
  isPrimary: boolean;
}

export interface CalendarEvent {
  uuid: string;
  name: string;
  startTime: string;
  meetingUrl: string;
  isRecurring: boolean;
  hasBot: boolean;
}

/** A calendar is read before it is connected. */
const READ_WITHIN_MS = 60_000;

export async function calendars(signal?: AbortSignal): Promise<Calendar[]> {
  const rows = (await call("GET", "/calendars", undefined, signal)) as Json[];
  return rows.map((row) => ({
    uuid: String(row["uuid"]),
    name: String(row["name"]),
    email: String(row["email"]),
    keeper: row["platform"] as Keeper,
    status: row["status"] as Calendar["status"],
    reason: textOrNull(row["status_reason"]),
    readAt: textOrNull(row["synced_at"]),
  }));
}

/** Which calendars an access opens; nothing is kept. */
export async function offeredCalendars(access: Access): Promise<Offered[]> {
  const answer = (await call("POST", "/calendars/raw", access, undefined, READ_WITHIN_MS)) as { calendars: Json[] };
  return answer.calendars.map((row) => ({ id: String(row["id"]), name: String(row["name"]), isPrimary: row["is_primary"] === true }));
}

export async function connectCalendar(access: Access, id: string | null): Promise<void> {
  await call("POST", "/calendars", { ...access, ...(id === null ? {} : { raw_calendar_id: id }) }, undefined, READ_WITHIN_MS);
}

/** Gives it another access; its bots are called off, and it is read anew. */
export async function reopenCalendar(uuid: string, access: Access): Promise<void> {
  await call("PATCH", `/calendars/${uuid}`, access, undefined, READ_WITHIN_MS);
}

export async function disconnectCalendar(uuid: string): Promise<void> {
  await call("DELETE", `/calendars/${uuid}`);
}

/** Reads all of them anew; why some could not be. */
export async function readCalendarsAnew(): Promise<string[]> {
  const answer = (await call("POST", "/calendars/resync_all", undefined, undefined, READ_WITHIN_MS)) as { errors: [string, string][] };
  return answer.errors.map(([, problem]) => problem);
}

/** Events of a calendar that are still to come, the next first, a hundred at a time; `next` leads on. */
export async function calendarEvents(calendar: string, cursor: string | null, signal?: AbortSignal): Promise<{ rows: CalendarEvent[]; next: string | null }> {
  const asked = new URLSearchParams({ calendar_id: calendar, status: "upcoming", ...(cursor === null ? {} : { cursor }) });
  const answer = (await call("GET", `/calendar_events?${asked}`, undefined, signal)) as { data: Json[]; next: string | null };
  const rows = answer.data.map((row) => ({
    uuid: String(row["uuid"]),
    name: String(row["name"]),
    startTime: String(row["start_time"]),
    meetingUrl: String(row["meeting_url"]),
    isRecurring: row["is_recurring"] === true,
    hasBot: row["bot_param"] !== null && row["bot_param"] !== undefined,
  }));
  return { rows, next: answer.next };
}

/** A bot comes to an event, or to its whole series. */
export async function scheduleBot(event: string, name: string, isForSeries: boolean): Promise<void> {
  await call("POST", `/calendar_events/${event}/bot?all_occurrences=${isForSeries}`, {
    bot_name: name,
    speech_to_text: { provider: "Default" },
    extra: {},
  });
}

export async function unscheduleBot(event: string, isForSeries: boolean): Promise<void> {
  await call("DELETE", `/calendar_events/${event}/bot?all_occurrences=${isForSeries}`);
}
