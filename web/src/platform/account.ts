/** The account of whoever is here, and the ways in and out of it; their session is a cookie that no script can read. */

import { ApiError, send } from "./api";
import { ask, isByKey, type Json, list, type Listed, numberOrNull, query, textOrNull } from "./client";

export interface Account {
  email: string;
  name: string;
  planDisplay: string;
  createdAt: string;
  balance: number;
  used: number;
  projectId: number;
  projectSlug: string;
  activeKeys: number;
  maxActiveKeys: number;
}

export interface Transaction {
  type: "usage" | "credit" | "refund";
  amount: number;
  description: string;
  date: string;
}

export interface HeldMeeting {
  id: string;
  title: string;
  startedAt: string | null;
  durationSeconds: number | null;
  participants: number;
  cost: number;
}

export interface SupportKey {
  createdAt: string;
  expiresAt: string;
  usedAt: string | null;
}

/** The account that has logged in here, or whose key this is; null where nobody has, or the key is none. */
export async function ownAccount(): Promise<Account | null> {
  const { account } = (await (isByKey() ? accountOfKey() : ask("GET", "/auth/session"))) as { account: Json | null };
  if (account === null) return null;
  const project = account["project"] as Json;
  return {
    email: String(account["email"]),
    name: String(account["name"]),
    planDisplay: String(account["plan_display"]),
    createdAt: String(account["created_at"]),
    balance: Number(account["balance"]),
    used: Number(account["used"]),
    projectId: Number(project["id"]),
    projectSlug: String(project["slug"]),
    activeKeys: Number(account["active_keys"]),
    maxActiveKeys: Number(account["max_active_keys"]),
  };
}

export async function logIn(email: string, password: string): Promise<void> {
  await ask("POST", "/auth/login", { email, password });
}

/** Sets another password with the token of an operator's link, and logs in. */
export async function resetPassword(token: string, password: string): Promise<void> {
  await ask("POST", "/auth/reset", { token, new_password: password });
}

/** Makes an account; its first key, which is shown only now. */
export async function signUp(email: string, password: string, name: string): Promise<string> {
  const made = (await ask("POST", "/auth/signup", { email, password, name })) as { api_key: Json };
  return String(made.api_key["key"]);
}

export async function logOut(): Promise<void> {
  await ask("POST", "/auth/logout");
}

/** Gives the account another name; the name as it is now. */
export async function changeName(name: string): Promise<string> {
  const { account } = (await ask("PATCH", "/account", { name })) as { account: Json };
  return String(account["name"]);
}

export async function changePassword(current: string, next: string): Promise<void> {
  await ask("POST", "/auth/password", { current_password: current, new_password: next });
}

/** A new meeting: its id, and the token that makes its holder the host. */
export async function createMeeting(title: string): Promise<{ id: string; adminToken: string }> {
  const made = (await send("POST", "/api/meetings", {}, { title })) as Json;
  return { id: String(made["meetingId"]), adminToken: String(made["adminToken"]) };
}

export function transactions(page: number, perPage: number, signal: AbortSignal): Promise<Listed<Transaction>> {
  return list(
    `/account/transactions${query({ page, per_page: perPage })}`,
    "transactions",
    (row) => ({
      type: row["type"] as Transaction["type"],
      amount: Number(row["amount"]),
      description: String(row["description"]),
      date: String(row["date"]),
    }),
    signal,
  );
}

/** Meetings that people held, newest first. */
export function heldMeetings(page: number, perPage: number, signal: AbortSignal): Promise<Listed<HeldMeeting>> {
  return list(
    `/account/meetings${query({ page, per_page: perPage })}`,
    "meetings",
    (row) => ({
      id: String(row["id"]),
      title: String(row["title"]),
      startedAt: textOrNull(row["started_at"]),
      durationSeconds: numberOrNull(row["duration"]),
      participants: Number(row["participants"]),
      cost: Number(row["cost"]),
    }),
    signal,
  );
}

export async function supportKeys(signal?: AbortSignal): Promise<SupportKey[]> {
  const answer = (await ask("GET", "/account/support-keys", undefined, signal)) as { support_keys: Json[] };
  return answer.support_keys.map((row) => ({
    createdAt: String(row["created_at"]),
    expiresAt: String(row["expires_at"]),
    usedAt: textOrNull(row["used_at"]),
  }));
}

/** A new support access key, shown only now. */
export async function makeSupportKey(): Promise<string> {
  const made = (await ask("POST", "/account/support-keys")) as Json;
  return String(made["key"]);
}

async function accountOfKey(): Promise<unknown> {
  try {
    return await ask("GET", "/account");
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return { account: null };
    throw error;
  }
}
