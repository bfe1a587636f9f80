/** What conversations came to: figures of stretches of time, use and its cost, what the plan allows. */

import { ask, type Json, list, numberOrNull, query, textOrNull } from "./client";

export interface Figures {
  from: string;
  to: string;
  sessions: number;
  minutes: number;
  failed: number;
  failures: { reason: string; count: number }[];
  cost: number;
  answers: number;
  p50: number | null;
  p95: number | null;
}

export interface Overview {
  now: { calls: number; voice: number; phone: number; bots: number; oldestAt: string | null };
  today: Figures;
  yesterday: Figures;
  period: Figures;
  before: Figures;
  series: Figures[];
}

/** `from` is a day of the zone, as `2026-03-31`; null: the last thirty days, or twenty-four hours. */
export async function overview(bucket: "hour" | "day", from: string | null, timezone: string, signal: AbortSignal): Promise<Overview> {
  const answer = (await ask("GET", `/overview${query({ bucket, from, timezone })}`, undefined, signal)) as Record<string, Json> & { series: Json[] };
  const now = answer["now"] as Json;
  const figures = (name: string): Figures => readFigures(answer[name] as Json);
  return {
    now: {
      calls: Number(now["calls"]),
      voice: Number(now["voice"]),
      phone: Number(now["phone"]),
      bots: Number(now["bots"]),
      oldestAt: textOrNull(now["oldest_at"]),
    },
    today: figures("today"),
    yesterday: figures("yesterday"),
    period: figures("period"),
    before: figures("before"),
    series: answer.series.map(readFigures),
  };
}

function readFigures(row: Json): Figures {
  return {
    from: String(row["from"]),
    to: String(row["to"]),
    sessions: Number(row["sessions"]),
    minutes: Number(row["minutes"]),
    failed: Number(row["failed"]),
    failures: row["failures"] as Figures["failures"],
    cost: Number(row["cost"]),
    answers: Number(row["answers"]),
    p50: numberOrNull(row["p50_ms"]),
    p95: numberOrNull(row["p95_ms"]),
  };
}

export interface FailedSession {
  id: number;
  roomName: string;
  agentName: string | null;
  reason: string;
  startedAt: string;
}

/** The newest conversations that failed, some of them. */
export async function failedSessions(most: number, signal: AbortSignal): Promise<FailedSession[]> {
  const found = await list(
    `/sessions${query({ outcome: "failed", per_page: most })}`,
    "sessions",
    (row) => ({
      id: Number(row["id"]),
      roomName: String(row["room_name"]),
      agentName: textOrNull(row["agent_name"]),
      reason: textOrNull(row["end_reason"]) ?? "unknown",
      startedAt: String(row["started_at"]),
    }),
    signal,
  );
  return found.rows;
}

/** Whether a list has anything in it. */
export async function hasAny(path: string, name: string, signal: AbortSignal): Promise<boolean> {
  const answer = (await ask("GET", path, undefined, signal)) as Json;
  return (answer[name] as unknown[]).length > 0;
}

export type UsagePeriod = "7d" | "30d" | "month";
export type UsageGroup = "model" | "agent" | "service";

export interface UsageRow {
  /** The day, in UTC. */
  day: string;
  group: string;
  cost: number;
  calls: number;
  tokens: number;
  minutes: number;
  characters: number;
}

export interface Usage {
  cost: number;
  calls: number;
  tokens: number;
  minutes: number;
  characters: number;
  rows: UsageRow[];
  /** Models without a price for some of their work. */
  unpriced: string[];
}

export async function usage(period: UsagePeriod, by: UsageGroup, signal: AbortSignal): Promise<Usage> {
  const answer = (await ask("GET", `/usage${query({ period, group_by: `day,${by}` })}`, undefined, signal)) as Json;
  const totals = answer["totals"] as Json;
  return {
    cost: Number(totals["cost_usd"]),
    calls: Number(totals["api_calls"]),
    tokens: Number(totals["input_tokens"]) + Number(totals["output_tokens"]),
    minutes: Number(totals["audio_minutes"]),
    characters: Number(totals["tts_characters"]),
    rows: (answer["breakdown"] as Json[]).map((row) => ({
      day: String(row["period"]),
      group: nameOf(row, by),
      cost: Number(row["cost"]),
      calls: Number(row["calls"]),
      tokens: Number(row["input_tokens"]) + Number(row["output_tokens"]),
      minutes: Number(row["audio_minutes"]),
      characters: Number(row["tts_characters"]),
    })),
    unpriced: answer["unpriced"] as string[],
  };
}

const SERVICES: Record<string, string> = {
  llm: "Language model",
  stt: "Recognition",
  tts: "Speech",
  telephony: "Telephone",
  recording: "Recording",
};

function nameOf(row: Json, by: UsageGroup): string {
  if (by === "agent") return textOrNull(row["agent"]) ?? "Without an agent";
  if (by === "service") return SERVICES[String(row["service"])] ?? String(row["service"]);
  const provider = textOrNull(row["provider"]);
  return provider === null || provider === "" ? String(row["model"]) : `${provider}/${String(row["model"])}`;
}

/** What this calendar month has cost so far, by UTC. */
export async function spentThisMonth(signal: AbortSignal): Promise<number> {
  const answer = (await ask("GET", "/usage?period=month&group_by=service", undefined, signal)) as { totals: Json };
  return Number(answer.totals["cost_usd"]);
}

export interface Budget {
  limit: number;
  /** The share of it at which to warn, 0 to 1. */
  softAt: number;
}

export async function budget(projectId: number, signal: AbortSignal): Promise<Budget | null> {
  const { project } = (await ask("GET", `/projects/${projectId}`, undefined, signal)) as { project: Json };
  const set = project["budget"] as Json | null;
  return set === null ? null : { limit: Number(set["limit_usd"]), softAt: Number(set["soft_at"]) };
}

export async function setBudget(projectId: number, to: Budget | null): Promise<void> {
  await ask("PATCH", `/projects/${projectId}`, { budget: to === null ? null : { limit_usd: to.limit, soft_at: to.softAt } });
}

export interface Quota {
  name: string;
  used: number;
  /** Null: as many as one likes. */
  limit: number | null;
}

export async function quotas(signal: AbortSignal): Promise<{ plan: string; quotas: Quota[] }> {
  const answer = (await ask("GET", "/quota", undefined, signal)) as Json;
  return {
    plan: String(answer["plan_display"]),
    quotas: Object.entries(answer["quotas"] as Record<string, Json>).map(([name, quota]) => ({
      name,
      used: Number(quota["used"]),
      limit: Number(quota["limit"]) < 0 ? null : Number(quota["limit"]),
    })),
  };
}
