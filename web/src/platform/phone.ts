/** Trunks, numbers and telephone calls. */

import { ask, type Json, list, type Listed, numberOrNull, query, textOrNull } from "./client";

export interface Trunk {
  id: number;
  name: string;
  phoneNumber: string;
  /** Whether LiveKit knows it for calls out and in. */
  isReady: boolean;
}

export interface TrunkDraft {
  name: string;
  phone_number: string;
  address: string;
  transport: string;
  username: string;
  password?: string;
  calls_per_second: number;
}

export interface TrunkTest {
  ok: boolean;
  sipStatus: number | null;
  latencyMs: number | null;
  problem: string | null;
  advice: string | null;
}

/** Who answers a number. */
export interface NumberConfig {
  id: number;
  name: string;
  phoneNumber: string;
  agentId: number;
  agentName: string;
  dtmf: boolean;
  maxSeconds: number;
  maxConcurrent: number | null;
}

export interface NumberDraft {
  name: string;
  phone_number: string;
  agent_config_id: number;
  dtmf_enabled: boolean;
  max_call_duration: number;
  max_concurrent: number | null;
}

export interface Call {
  id: number;
  phoneNumber: string;
  direction: string;
  status: string;
  sipStatus: number | null;
  reason: string | null;
  sessionId: number | null;
  startedAt: string;
  seconds: number | null;
}

type OfADay = "calls_per_day" | "minutes_per_day" | "usd_per_day";
/** Limits of the project, of each key, and of each number that is called. */
export type LimitName = "concurrent" | OfADay | `key_${OfADay}` | `destination_${OfADay}`;

export interface DialPolicy {
  countries: string[] | null;
  quiet_hours: { start: string; end: string } | null;
  limits: Record<LimitName, number | null>;
  do_not_call: string[];
  consent_required: boolean;
  opt_out_key: string | null;
}

export const RUNNING: ReadonlySet<string> = new Set(["queued", "dialing", "ringing", "answered"]);

/** A number as the API takes it, of one that was written with spaces, dots, dashes or brackets. */
export function plainNumber(written: string): string {
  return written.replace(/[\s().-]/g, "");
}

export async function trunks(signal?: AbortSignal): Promise<Trunk[]> {
  const { rows } = await list("/sip/trunks", "trunks", readTrunk, signal);
  return rows;
}

export async function addTrunk(draft: TrunkDraft): Promise<void> {
  await ask("POST", "/sip/trunks", draft);
}

export async function removeTrunk(id: number): Promise<void> {
  await ask("DELETE", `/sip/trunks/${id}`);
}

export async function testTrunk(id: number): Promise<TrunkTest> {
  const { test } = (await ask("POST", `/sip/trunks/${id}/test`)) as { test: Json };
  return {
    ok: test["ok"] === true,
    sipStatus: numberOrNull(test["sip_status"]),
    latencyMs: numberOrNull(test["latency_ms"]),
    problem: textOrNull(test["problem"]),
    advice: textOrNull(test["advice"]),
  };
}

export async function numbers(signal?: AbortSignal): Promise<NumberConfig[]> {
  const { rows } = await list("/sip/configs", "configs", readNumber, signal);
  return rows;
}

/** Makes a number's configuration, or changes the one of that id. */
export async function saveNumber(draft: NumberDraft, id: number | null): Promise<void> {
  if (id === null) await ask("POST", "/sip/configs", draft);
  else await ask("PATCH", `/sip/configs/${id}`, draft);
}

export async function removeNumber(id: number): Promise<void> {
  await ask("DELETE", `/sip/configs/${id}`);
}

export function calls(status: string, page: number, perPage: number, signal: AbortSignal): Promise<Listed<Call>> {
  return list(`/sip/calls${query({ status, page, per_page: perPage })}`, "calls", readCall, signal);
}

/** Rings a number; the session in which its conversation will be. */
export async function dial(phoneNumber: string, agentId: number): Promise<number> {
  const { call } = (await ask("POST", "/sip/dial", { phone_number: phoneNumber, agent_config_id: agentId })) as { call: Json };
  return Number(call["session_id"]);
}

export async function hangUp(id: number): Promise<void> {
  await ask("POST", `/sip/calls/${id}/hangup`);
}

export async function dialPolicy(projectId: number, signal: AbortSignal): Promise<DialPolicy> {
  return (await ask("GET", `/projects/${projectId}/dial-policy`, undefined, signal)) as DialPolicy;
}

export async function setDialPolicy(projectId: number, policy: DialPolicy): Promise<void> {
  await ask("PUT", `/projects/${projectId}/dial-policy`, policy);
}

function readTrunk(row: Json): Trunk {
  return {
    id: Number(row["id"]),
    name: String(row["name"]),
    phoneNumber: String(row["phone_number"]),
    isReady: row["outbound_trunk_id"] !== null && row["inbound_trunk_id"] !== null,
  };
}

function readNumber(row: Json): NumberConfig {
  return {
    id: Number(row["id"]),
    name: String(row["name"]),
    phoneNumber: String(row["phone_number"]),
    agentId: Number(row["agent_config_id"]),
    agentName: String(row["agent_name"]),
    dtmf: row["dtmf_enabled"] === true,
    maxSeconds: Number(row["max_call_duration"]),
    maxConcurrent: numberOrNull(row["max_concurrent"]),
  };
}

function readCall(row: Json): Call {
  return {
    id: Number(row["id"]),
    phoneNumber: String(row["phone_number"]),
    direction: String(row["direction"]),
    status: String(row["status"]),
    sipStatus: numberOrNull(row["sip_status"]),
    reason: textOrNull(row["reason"]),
    sessionId: numberOrNull(row["session_id"]),
    startedAt: String(row["started_at"]),
    seconds: numberOrNull(row["duration"]),
  };
}
