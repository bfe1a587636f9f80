/** The account's projects, their keys of providers, and its members. */

import { ask, type Json, numberOrNull, textOrNull } from "./client";

export interface Project {
  id: number;
  name: string;
  slug: string;
  retentionDays: number | null;
  storeTranscripts: boolean;
  redact: boolean;
  redactNames: string[];
  announceRecordings: boolean;
  allowedOrigins: string[];
}

export interface ProjectChange {
  name: string;
  retention_days: number | null;
  store_transcripts: boolean;
  redact: boolean;
  redact_names: string[];
  announce_recordings: boolean;
  allowed_origins: string[];
}

export interface Credential {
  provider: string;
  region: string | null;
  updatedAt: string;
}

export type Role = "owner" | "member";

export interface Member {
  id: number;
  email: string;
  name: string;
  role: Role;
  createdAt: string;
}

export async function projects(signal?: AbortSignal): Promise<Project[]> {
  const answer = (await ask("GET", "/projects", undefined, signal)) as { projects: Json[] };
  return answer.projects.map(readProject);
}

export async function changeProject(id: number, change: Partial<ProjectChange>): Promise<Project> {
  const answer = (await ask("PATCH", `/projects/${id}`, change)) as { project: Json };
  return readProject(answer.project);
}

/** For which providers a project has keys of its own. */
export async function credentials(projectId: number, signal?: AbortSignal): Promise<Credential[]> {
  const answer = (await ask("GET", `/projects/${projectId}/provider-credentials`, undefined, signal)) as { credentials: Json[] };
  return answer.credentials.map((row) => ({
    provider: String(row["provider"]),
    region: textOrNull(row["region"]),
    updatedAt: String(row["updated_at"]),
  }));
}

export async function putCredential(projectId: number, provider: string, key: string, region: string): Promise<void> {
  const body = region === "" ? { api_key: key } : { api_key: key, region };
  await ask("PUT", `/projects/${projectId}/provider-credentials/${provider}`, body);
}

export async function removeCredential(projectId: number, provider: string): Promise<void> {
  await ask("DELETE", `/projects/${projectId}/provider-credentials/${provider}`);
}

export async function members(signal?: AbortSignal): Promise<Member[]> {
  const answer = (await ask("GET", "/members", undefined, signal)) as { members: Json[] };
  return answer.members.map((row) => ({
    id: Number(row["id"]),
    email: String(row["email"]),
    name: String(row["name"]),
    role: row["role"] as Role,
    createdAt: String(row["created_at"]),
  }));
}

export async function addMember(email: string, name: string, role: Role): Promise<void> {
  await ask("POST", "/members", { email, name, role });
}

export async function changeRole(id: number, role: Role): Promise<void> {
  await ask("PATCH", `/members/${id}`, { role });
}

export async function removeMember(id: number): Promise<void> {
  await ask("DELETE", `/members/${id}`);
}

function readProject(row: Json): Project {
  return {
    id: Number(row["id"]),
    name: String(row["name"]),
    slug: String(row["slug"]),
    retentionDays: numberOrNull(row["retention_days"]),
    storeTranscripts: row["store_transcripts"] === true,
    redact: row["redact"] === true,
    redactNames: row["redact_names"] as string[],
    announceRecordings: row["announce_recordings"] === true,
    allowedOrigins: row["allowed_origins"] as string[],
  };
}
