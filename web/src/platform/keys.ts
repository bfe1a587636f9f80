/** API keys, the projects they open, and what they may do. */

import { ask, type Json, textOrNull } from "./client";

export interface Key {
  id: number;
  projectId: number;
  label: string;
  prefix: string;
  status: "active" | "expired" | "revoked";
  scopes: string[];
  expiresAt: string | null;
  lastUsedAt: string | null;
  createdAt: string;
}

export interface KeyWish {
  label: string;
  project_id?: number;
  /** Left out: everything. */
  scopes?: string[];
  expires_at?: string | null;
}

/** A new key and its secret, shown only now. */
export interface MadeKey {
  key: string;
  secret: string;
}

/** Parts of the API that a key may be confined to. A test of the control plane holds them to its list. */
export const AREAS = [
  "account",
  "agents",
  "api-keys",
  "audit",
  "bots",
  "calendars",
  "embed-keys",
  "end-users",
  "events",
  "knowledge-bases",
  "meetings",
  "members",
  "privacy",
  "projects",
  "recordings",
  "rooms",
  "scenarios",
  "sessions",
  "sip",
  "tokens",
  "usage",
  "webhooks",
] as const;

export async function keys(signal?: AbortSignal): Promise<Key[]> {
  const answer = (await ask("GET", "/api-keys", undefined, signal)) as { api_keys: Json[] };
  return answer.api_keys.map((row) => ({
    id: Number(row["id"]),
    projectId: Number(row["project_id"]),
    label: String(row["label"]),
    prefix: String(row["prefix"]),
    status: row["status"] as Key["status"],
    scopes: row["scopes"] as string[],
    expiresAt: textOrNull(row["expires_at"]),
    lastUsedAt: textOrNull(row["last_used_at"]),
    createdAt: String(row["created_at"]),
  }));
}

export async function makeKey(wish: KeyWish): Promise<MadeKey> {
  const { api_key: made } = (await ask("POST", "/api-keys", wish)) as { api_key: Json };
  return { key: String(made["key"]), secret: String(made["secret"]) };
}

export async function revokeKey(id: number): Promise<void> {
  await ask("DELETE", `/api-keys/${id}`);
}
