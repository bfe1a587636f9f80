/** Meetings of scenarios, and the scenarios they follow. */

import { ask, type Json, list, type Listed, numberOrNull, query, textOrNull } from "./client";

export interface Meeting {
  id: number;
  code: string;
  scenarioId: number;
  sessionId: number | null;
  name: string;
  status: string;
  language: string;
  createdAt: string;
  startedAt: string | null;
  endedAt: string | null;
}

export interface Scenario {
  id: number;
  name: string;
  agentId: number;
  briefing: string;
  objectives: string[];
  criteria: { name: string; description: string }[];
  minutes: number | null;
  controls: Record<string, unknown>;
}

/** A scenario as it is sent; of `controls` those that are named. */
export interface ScenarioDraft {
  name: string;
  agent_id: number;
  briefing: string;
  objectives: string[];
  criteria: { name: string; description: string }[];
  call_duration: number | null;
  controls: Record<string, boolean>;
}

export function meetings(filter: { status: string; scenarioId: string }, page: number, perPage: number, signal: AbortSignal): Promise<Listed<Meeting>> {
  const asked = query({ status: filter.status, scenario_id: filter.scenarioId, page, per_page: perPage });
  return list(`/meetings${asked}`, "meetings", readMeeting, signal);
}

export async function scenarios(signal?: AbortSignal): Promise<Scenario[]> {
  const { rows } = await list(
    "/scenarios?per_page=100",
    "scenarios",
    readScenario,
    signal,
  );
  return rows;
}

/** Makes a scenario, or changes the one of that id. */
export async function saveScenario(draft: ScenarioDraft, id: number | null): Promise<void> {
  if (id === null) await ask("POST", "/scenarios", draft);
  else await ask("PATCH", `/scenarios/${id}`, draft);
}

export async function removeScenario(id: number): Promise<void> {
  await ask("DELETE", `/scenarios/${id}`);
}

/** A new meeting; the page that opens it. */
export async function makeMeeting(scenarioId: number, name: string): Promise<string> {
  const made = (await ask("POST", "/meetings", { scenario_id: scenarioId, name })) as Json;
  return String(made["room_url"]);
}

export async function endMeeting(id: number): Promise<void> {
  await ask("POST", `/meetings/${id}/end`);
}

function readScenario(row: Json): Scenario {
  return {
    id: Number(row["id"]),
    name: String(row["name"]),
    agentId: Number(row["agent_id"]),
    briefing: String(row["briefing"]),
    objectives: row["objectives"] as string[],
    criteria: row["criteria"] as Scenario["criteria"],
    minutes: numberOrNull(row["call_duration"]),
    controls: row["controls"] as Json,
  };
}

function readMeeting(row: Json): Meeting {
  return {
    id: Number(row["id"]),
    code: String(row["code"]),
    scenarioId: Number(row["scenario_id"]),
    sessionId: numberOrNull(row["session_id"]),
    name: String(row["name"]),
    status: String(row["status"]),
    language: String(row["language"]),
    createdAt: String(row["created_at"]),
    startedAt: textOrNull(row["started_at"]),
    endedAt: textOrNull(row["ended_at"]),
  };
}
