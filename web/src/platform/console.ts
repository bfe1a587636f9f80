/** The API as the console uses it: with the session of this browser, whose cookie no script can read. */

import { ApiError, send } from "./api";
import { ask, isByKey } from "./client";

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

export interface Listed<Row> {
  rows: Row[];
  page: number;
  totalPages: number;
}

type Json = Record<string, unknown>;

const ROWS = 10;

export class Console {
  /** The account that has logged in here, or whose key this is; null where nobody has, or the key is none. */
  async account(): Promise<Account | null> {
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

  async logIn(email: string, password: string): Promise<void> {
    await ask("POST", "/auth/login", { email, password });
  }

  /** Sets another password with the token of an operator's link, and logs in. */
  async resetPassword(token: string, password: string): Promise<void> {
    await ask("POST", "/auth/reset", { token, new_password: password });
  }

  /** Makes an account; its first key, which is shown only now. */
  async signUp(email: string, password: string, name: string): Promise<string> {
    const made = (await ask("POST", "/auth/signup", { email, password, name })) as { api_key: Json };
    return String(made.api_key["key"]);
  }

  async logOut(): Promise<void> {
    await ask("POST", "/auth/logout");
  }

  /** Gives the account another name; the name as it is now. */
  async changeName(name: string): Promise<string> {
    const { account } = (await ask("PATCH", "/account", { name })) as { account: Json };
    return String(account["name"]);
  }

  async changePassword(current: string, next: string): Promise<void> {
    await ask("POST", "/auth/password", { current_password: current, new_password: next });
  }

  /** A new meeting: its id, and the token that makes its holder the host. */
  async createMeeting(title: string): Promise<{ id: string; adminToken: string }> {
    const made = (await send("POST", "/api/meetings", {}, { title })) as Json;
    return { id: String(made["meetingId"]), adminToken: String(made["adminToken"]) };
  }

  /** A new key, shown only now. */
  async makeKey(label: string): Promise<string> {
    const made = (await ask("POST", "/api-keys", { label })) as { api_key: Json };
    return String(made.api_key["key"]);
  }

  async transactions(page: number): Promise<Listed<Transaction>> {
    return listed(await ask("GET", `/account/transactions?per_page=${ROWS}&page=${page}`), "transactions", (row) => ({
      type: row["type"] as Transaction["type"],
      amount: Number(row["amount"]),
      description: String(row["description"]),
      date: String(row["date"]),
    }));
  }

  async meetings(page: number): Promise<Listed<HeldMeeting>> {
    return listed(await ask("GET", `/account/meetings?per_page=${ROWS}&page=${page}`), "meetings", (row) => ({
      id: String(row["id"]),
      title: String(row["title"]),
      startedAt: textOrNull(row["started_at"]),
      durationSeconds: row["duration"] === null ? null : Number(row["duration"]),
      participants: Number(row["participants"]),
      cost: Number(row["cost"]),
    }));
  }

  async supportKeys(): Promise<SupportKey[]> {
    const answer = (await ask("GET", "/account/support-keys")) as { support_keys: Json[] };
    return answer.support_keys.map((row) => ({
      createdAt: String(row["created_at"]),
      expiresAt: String(row["expires_at"]),
      usedAt: textOrNull(row["used_at"]),
    }));
  }

  /** A new support access key, shown only now. */
  async makeSupportKey(): Promise<string> {
    const made = (await ask("POST", "/account/support-keys")) as Json;
    return String(made["key"]);
  }
}

async function accountOfKey(): Promise<unknown> {
  try {
    return await ask("GET", "/account");
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return { account: null };
    throw error;
  }
}

function listed<Row>(answer: unknown, name: string, read: (row: Json) => Row): Listed<Row> {
  const body = answer as Json;
  return { rows: (body[name] as Json[]).map(read), page: Number(body["page"]), totalPages: Number(body["total_pages"]) };
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
