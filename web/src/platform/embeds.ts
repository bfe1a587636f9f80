/** Embed keys: buttons on other sites. */

import type { Config, Mode, Theme } from "../embed/platform";
import { ask, type Json, list, textOrNull } from "./client";

export interface EmbedKey {
  id: number;
  key: string;
  agentId: number;
  label: string;
  origins: string[];
  mode: Mode;
  theme: Theme;
  accent: string | null;
  button: string;
  greeting: string;
  visitorCalls: number;
  addressCalls: number;
  atOnce: number;
  longestSeconds: number;
  isActive: boolean;
  lastUsedAt: string | null;
}

/** What may be changed of a key. */
export interface EmbedDraft {
  label: string;
  origins: string[];
  mode: string;
  theme: string;
  accent: string | null;
  button: string;
  greeting: string;
  visitor_calls_per_hour: number;
  address_calls_per_hour: number;
  calls_at_once: number;
  longest_call: number;
}

export async function embedKeys(signal?: AbortSignal): Promise<EmbedKey[]> {
  return (await list("/embed-keys", "embed_keys", read, signal)).rows;
}

export async function makeEmbedKey(agentId: number, draft: EmbedDraft): Promise<void> {
  await ask("POST", "/embed-keys", { agent_id: agentId, ...draft });
}

export async function changeEmbedKey(id: number, change: Partial<EmbedDraft> | { is_active: boolean }): Promise<void> {
  await ask("PATCH", `/embed-keys/${id}`, change);
}

export async function deleteEmbedKey(id: number): Promise<void> {
  await ask("DELETE", `/embed-keys/${id}`);
}

/** How its button looks to visitors. */
export function looksOf(key: EmbedKey, agent: string): Config {
  const { mode, theme, accent, button, greeting } = key;
  return { agent: { name: agent }, mode, theme, accent, button, greeting };
}

function read(row: Json): EmbedKey {
  return {
    id: Number(row["id"]),
    key: String(row["key"]),
    agentId: Number(row["agent_id"]),
    label: String(row["label"]),
    origins: (row["origins"] as unknown[]).map(String),
    mode: row["mode"] as Mode,
    theme: row["theme"] as Theme,
    accent: textOrNull(row["accent"]),
    button: String(row["button"]),
    greeting: String(row["greeting"]),
    visitorCalls: Number(row["visitor_calls_per_hour"]),
    addressCalls: Number(row["address_calls_per_hour"]),
    atOnce: Number(row["calls_at_once"]),
    longestSeconds: Number(row["longest_call"]),
    isActive: row["is_active"] === true,
    lastUsedAt: textOrNull(row["last_used_at"]),
  };
}
