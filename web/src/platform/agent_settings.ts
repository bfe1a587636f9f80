/** Agents with all that can be set on them, and their versions. Settings keep the API's names, so that its problems find their fields. */

import { ask, type Json, list, type Listed, query, textOrNull } from "./client";

/** What can be set on an agent, by the API's names. */
export type Settings = Readonly<Json>;

export interface Agent {
  id: number;
  name: string;
  isActive: boolean;
  /** What calls use; null: the settings themselves. */
  publishedVersion: number | null;
  hasUnpublishedChanges: boolean;
  createdAt: string;
  settings: Settings;
}

export interface Version {
  number: number;
  note: string;
  createdAt: string;
  isPublished: boolean;
  settings: Settings;
}

const NOT_SET: ReadonlySet<string> = new Set(["id", "published_version", "has_unpublished_changes", "created_at"]);

export async function agents(signal?: AbortSignal): Promise<Agent[]> {
  const { rows } = await list("/agents", "agents", readAgent, signal);
  return rows;
}

export async function agent(id: number, signal?: AbortSignal): Promise<Agent> {
  return agentOf(await ask("GET", `/agents/${id}`, undefined, signal));
}

export async function createAgent(settings: Settings): Promise<Agent> {
  return agentOf(await ask("POST", "/agents", settings));
}

/** Changes the fields that are given. */
export async function changeAgent(id: number, changes: Settings): Promise<Agent> {
  return agentOf(await ask("PATCH", `/agents/${id}`, changes));
}

export async function deleteAgent(id: number): Promise<void> {
  await ask("DELETE", `/agents/${id}`);
}

/** Has calls use the settings as they are from now on. */
export async function publishAgent(id: number, note: string): Promise<Agent> {
  return agentOf(await ask("POST", `/agents/${id}/publish`, { note }));
}

/** Has calls use an earlier version again; the settings become equal to it. */
export async function rollBackAgent(id: number, version: number): Promise<Agent> {
  return agentOf(await ask("POST", `/agents/${id}/rollback`, { version }));
}

/** What somebody needs to enter a room where an agent comes. */
export interface Admission {
  token: string;
  wsUrl: string;
}

/** Tries an agent as it is saved, with these changes for this call alone. */
export async function tryAgent(
  id: number,
  wish: { mode: "voice" | "text"; settings?: Settings; variables: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<Admission> {
  return (await ask("POST", `/agents/${id}/try`, wish, signal)) as Admission;
}

/** Calls an agent as anybody does. Null: nobody answers. */
export async function callAgent(
  id: number,
  wish: { identity: string; room: string; variables: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<Admission | null> {
  const answer = (await ask("POST", "/token", { ...wish, agent_config_id: id }, signal)) as Admission & { agents_dispatched: unknown[] };
  return answer.agents_dispatched.length === 0 ? null : answer;
}

/** What was published, newest first. */
export function versions(id: number, page: number, signal?: AbortSignal): Promise<Listed<Version>> {
  return list(
    `/agents/${id}/versions${query({ page, per_page: 50 })}`,
    "versions",
    (row) => ({
      number: Number(row["version"]),
      note: textOrNull(row["note"]) ?? "",
      createdAt: String(row["created_at"]),
      isPublished: row["is_published"] === true,
      settings: row["settings"] as Settings,
    }),
    signal,
  );
}

function agentOf(answer: unknown): Agent {
  return readAgent((answer as { agent: Json }).agent);
}

function readAgent(row: Json): Agent {
  return {
    id: Number(row["id"]),
    name: String(row["name"]),
    isActive: row["is_active"] === true,
    publishedVersion: row["published_version"] === null ? null : Number(row["published_version"]),
    hasUnpublishedChanges: row["has_unpublished_changes"] === true,
    createdAt: String(row["created_at"]),
    settings: Object.fromEntries(Object.entries(row).filter(([name]) => !NOT_SET.has(name))),
  };
}
