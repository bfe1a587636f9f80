/** Handing out and erasing what is known of one person, and the receipts of that. */

import { ask, type Json, list, type Listed, numberOrNull, query, textOrNull } from "./client";

/** Whom it is about: one of the names, or more of the same person. */
export interface Person {
  phone_number?: string;
  email?: string;
  identity?: string;
  end_user_id?: number;
}

export type Status = "pending" | "completed" | "failed";

interface Asked {
  id: number;
  /** The same for the same names, and nothing else. */
  person: string;
  status: Status;
  createdAt: string;
  finishedAt: string | null;
}

export interface Export extends Asked {
  kind: "export";
  /** Opens the file without a key, while it is there: of the server that this page is of, whatever it is called elsewhere. */
  path: string | null;
  bytes: number | null;
  expiresAt: string | null;
}

export interface Erasure extends Asked {
  kind: "erasure";
  /** From 0 to 1. */
  progress: number;
  waitsFor: string | null;
  receipt: Receipt | null;
  receiptHolds: boolean | null;
}

export type Request = Export | Erasure;
export type Kind = Request["kind"];

export interface Receipt {
  at: string;
  /** By table. */
  rows: Readonly<Record<string, number>>;
  kept: Readonly<Record<string, number>>;
  recordings: { removed: number; toCome: number };
  vectors: number;
  events: number;
  told: readonly string[];
  missed: readonly string[];
  backups: { note: string; until: string | null };
  mac: string;
  /** As it was signed: to be kept so. */
  whole: Json;
}

const NAMES = { export: "exports", erasure: "erasures" } as const;

/** What was asked for before `beforeId`, newest first. */
export function requestsOf(kind: Kind, beforeId: number | null, most: number, signal: AbortSignal): Promise<Listed<Request>> {
  return list<Request>(`/privacy/${NAMES[kind]}${query({ before_id: beforeId, per_page: most })}`, NAMES[kind], kind === "export" ? readExport : readErasure, signal);
}

export async function askFor(kind: Kind, person: Person): Promise<Request> {
  const answer = (await ask("POST", `/privacy/${NAMES[kind]}`, person)) as Record<Kind, Json>;
  return kind === "export" ? readExport(answer.export) : readErasure(answer.erasure);
}

export async function erasure(id: number, signal: AbortSignal): Promise<Erasure> {
  const answer = (await ask("GET", `/privacy/erasures/${id}`, undefined, signal)) as { erasure: Json };
  return readErasure(answer.erasure);
}

/** How many conversations began before a moment. */
export async function conversationsBefore(moment: string): Promise<number> {
  const found = await list(`/sessions${query({ to: moment, per_page: 1 })}`, "sessions", (row) => row);
  return found.total;
}

function readExport(row: Json): Export {
  const url = textOrNull(row["url"]);
  const path = url === null ? null : url.slice(new URL(url).origin.length);
  return { kind: "export", ...readAsked(row), path, bytes: numberOrNull(row["size_bytes"]), expiresAt: textOrNull(row["expires_at"]) };
}

function readErasure(row: Json): Erasure {
  const receipt = row["receipt"] as Json | null;
  return {
    kind: "erasure",
    ...readAsked(row),
    progress: Number(row["progress"]),
    waitsFor: textOrNull(row["waits_for"]),
    receipt: receipt === null ? null : readReceipt(receipt),
    receiptHolds: typeof row["receipt_holds"] === "boolean" ? row["receipt_holds"] : null,
  };
}

function readAsked(row: Json): Asked {
  return {
    id: Number(row["id"]),
    person: String(row["person"]),
    status: row["status"] as Status,
    createdAt: String(row["created_at"]),
    finishedAt: textOrNull(row["finished_at"]),
  };
}

function readReceipt(whole: Json): Receipt {
  const recordings = whole["recordings"] as { removed: number; to_come: number };
  const spool = whole["spool"] as { told: string[]; missed: string[] };
  return {
    at: String(whole["at"]),
    rows: whole["rows"] as Record<string, number>,
    kept: whole["kept"] as Record<string, number>,
    recordings: { removed: recordings.removed, toCome: recordings.to_come },
    vectors: Number(whole["vectors"]),
    events: Number(whole["events"]),
    told: spool.told,
    missed: spool.missed,
    backups: whole["backups"] as Receipt["backups"],
    mac: String(whole["mac"]),
    whole,
  };
}
