/** The API for the pages of the console: with the session of this browser, else with the key of this tab. */

import { send } from "./api";

export type Json = Record<string, unknown>;

/** What a list gives for one page of it. */
export interface Listed<Row> {
  rows: Row[];
  page: number;
  totalPages: number;
  total: number;
}

let key: string | null = null;
let project: number | null = null;

/** From here on requests bring this key; null: the session's cookie alone. */
export function signInWith(given: string | null): void {
  key = given;
}

/** Whether requests bring a key. */
export function isByKey(): boolean {
  return key !== null;
}

/** From here on requests are about this project of the account, not about its first. */
export function workIn(projectId: number): void {
  project = projectId;
}

/** What a request must bring along, in the header that the surface it goes to wants. */
export function credentials(header = "X-API-Key"): Record<string, string> {
  if (key !== null) return { [header]: key };
  return project === null ? {} : { "X-Project": String(project) };
}

/** One request of `/api/v1`; `within` milliseconds, where an answer may take longer than usual. Throws `ApiError` or `Unreachable`; an `AbortError` where `signal` ended it. */
export function ask(method: string, path: string, body?: unknown, signal?: AbortSignal, within?: number): Promise<unknown> {
  return send(method, `/api/v1${path}`, credentials(), body, signal, within);
}

/** One page of a list whose rows the answer has under `name`. */
export async function list<Row>(path: string, name: string, read: (row: Json) => Row, signal?: AbortSignal): Promise<Listed<Row>> {
  const answer = (await ask("GET", path, undefined, signal)) as Json;
  const rows = (answer[name] as Json[]).map(read);
  return {
    rows,
    page: Number(answer["page"] ?? 1),
    totalPages: Number(answer["total_pages"] ?? 1),
    total: Number(answer["total"] ?? rows.length),
  };
}

/** The part of an address after `?`, of what is given. */
export function query(given: Readonly<Record<string, string | number | boolean | null | undefined>>): string {
  const parts = Object.entries(given).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return parts.length === 0 ? "" : `?${new URLSearchParams(parts.map(([name, value]) => [name, String(value)]))}`;
}

export function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function numberOrNull(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
