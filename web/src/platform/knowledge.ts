/** Knowledge bases, as the API has them. */

import { ask, type Json, list, type Listed, numberOrNull, query, textOrNull } from "./client";
import { upload } from "./upload";

export interface Base {
  id: number;
  name: string;
  description: string;
  chunkSize: number;
  chunkOverlap: number;
  chunks: number;
  characters: number;
  status: "empty" | "indexing" | "ready" | "error";
  /** Percent, while it is being indexed. */
  progress: number;
  model: string;
  indexedAt: string | null;
  createdAt: string;
}

/** A passage of a document. In a list its text may be cut to its first 200 characters. */
export interface Chunk {
  id: number;
  content: string;
  source: string;
  /** Its place in the document, from 0. */
  index: number;
  isActive: boolean;
}

export interface Document {
  /** As it was uploaded; empty for a text without a name that waits. */
  name: string;
  isReady: boolean;
  passages: number;
  /** Characters of its passages; of one that waits, bytes. */
  size: number;
  addedAt: string;
}

/** What became of a document. */
export interface Ingested {
  chunks: number;
  source: string;
  /** It is ingested after the answer; the base says how far it is. */
  isLater: boolean;
}

/** What a score is made of; each from 0 to 1, but for BM25, which may be more. */
export interface Parts {
  cosine: number;
  bm25: number;
  coverage: number;
  fusion: number;
  confidence: number;
}

export interface Found {
  id: number;
  content: string;
  source: string;
  score: number;
  parts: Parts;
  heading: string | null;
  page: number | null;
  row: number | null;
}

/** A question whose answer is known. */
export interface Golden {
  question: string;
  source: string;
  /** Words of the passage that answers it; empty: any passage of the document does. */
  contains: string;
}

export interface Evaluation {
  recall: number;
  mrr: number;
  /** In the order of the golden questions; null where the answer was not among the first. */
  questions: { question: string; rank: number | null; score: number | null }[];
}

export interface Unanswered {
  id: number;
  question: string;
  times: number;
  score: number;
  session: number;
  lastAskedAt: string;
}

/** Embedding everything, or a search with a model that is being started, may take longer than other answers. */
const LONG_MS = 60_000;
const REINDEX_MS = 3_600_000;

export async function bases(signal?: AbortSignal): Promise<Base[]> {
  const { rows } = await list("/knowledge-bases", "knowledge_bases", readBase, signal);
  return rows;
}

export async function base(id: number, signal?: AbortSignal): Promise<Base> {
  return baseOf(await ask("GET", `/knowledge-bases/${id}`, undefined, signal));
}

export async function createBase(fields: Json): Promise<Base> {
  return baseOf(await ask("POST", "/knowledge-bases", fields));
}

export async function changeBase(id: number, fields: Json): Promise<Base> {
  return baseOf(await ask("PATCH", `/knowledge-bases/${id}`, fields));
}

export async function deleteBase(id: number): Promise<void> {
  await ask("DELETE", `/knowledge-bases/${id}`);
}

/** Those that wait to be ingested first, then the newest. */
export function documents(id: number, page: number, perPage: number, signal?: AbortSignal): Promise<Listed<Document>> {
  return list(
    `/knowledge-bases/${id}/documents${query({ page, per_page: perPage })}`,
    "documents",
    (row) => ({
      name: String(row["source"]),
      isReady: row["status"] === "ready",
      passages: Number(row["chunk_count"]),
      size: numberOrNull(row["size_bytes"]) ?? Number(row["total_chars"]),
      addedAt: String(row["created_at"]),
    }),
    signal,
  );
}

export function chunks(id: number, isActive: boolean | null, page: number, perPage: number, signal?: AbortSignal): Promise<Listed<Chunk>> {
  return list(`/knowledge-bases/${id}/chunks${query({ is_active: isActive, page, per_page: perPage })}`, "chunks", readChunk, signal);
}

/** A passage with its whole text. */
export async function chunk(base: number, id: number, signal?: AbortSignal): Promise<Chunk> {
  return readChunk(((await ask("GET", `/knowledge-bases/${base}/chunks/${id}`, undefined, signal)) as { chunk: Json }).chunk);
}

export async function changeChunk(base: number, id: number, content: string, isActive: boolean): Promise<void> {
  await ask("PUT", `/knowledge-bases/${base}/chunks/${id}`, { content, is_active: isActive }, undefined, LONG_MS);
}

export async function deleteChunk(base: number, id: number): Promise<void> {
  await ask("DELETE", `/knowledge-bases/${base}/chunks/${id}`);
}

/** Uploads a document; `sent` hears the share that has left. */
export async function uploadDocument(base: number, file: File, sent: (share: number) => void, signal: AbortSignal): Promise<Ingested> {
  const { status, answer } = await upload(`/knowledge-bases/${base}/documents`, file, sent, signal);
  return readIngested(answer as Json, status === 202);
}

/** Takes a text as a document of this name. */
export async function ingestText(base: number, content: string, name: string): Promise<Ingested> {
  const answer = await ask("POST", `/knowledge-bases/${base}/ingest`, { content, source_name: name }, undefined, LONG_MS);
  return readIngested(answer as Json, false);
}

/** Passages that answer a question, best first, with the parts of their scores. */
export async function search(base: number, question: string, count: number, signal?: AbortSignal): Promise<{ found: Found[]; tookMs: number }> {
  const body = { knowledge_base_id: base, query: question, top_k: count, explain: true };
  const answer = (await ask("POST", "/knowledge/search", body, signal, LONG_MS)) as { results: Json[]; took_ms: number };
  return { found: answer.results.map(readFound), tookMs: answer.took_ms };
}

export async function goldenQuestions(base: number, signal?: AbortSignal): Promise<Golden[]> {
  return ((await ask("GET", `/knowledge-bases/${base}/golden-questions`, undefined, signal)) as { questions: Golden[] }).questions;
}

/** Puts these in the place of all golden questions. */
export async function setGoldenQuestions(base: number, questions: readonly Golden[]): Promise<Golden[]> {
  return ((await ask("PUT", `/knowledge-bases/${base}/golden-questions`, { questions })) as { questions: Golden[] }).questions;
}

/** Asks a base its golden questions. */
export async function evaluate(base: number, k: number, signal?: AbortSignal): Promise<Evaluation> {
  const answer = (await ask("POST", `/knowledge-bases/${base}/evaluate`, { k }, signal, LONG_MS * 5)) as Json;
  return {
    recall: Number(answer["recall_at_k"]),
    mrr: Number(answer["mrr"]),
    questions: (answer["questions"] as Json[]).map((row) => ({
      question: String(row["question"]),
      rank: numberOrNull(row["rank"]),
      score: numberOrNull(row["score"]),
    })),
  };
}

export function unanswered(base: number, page: number, perPage: number, signal?: AbortSignal): Promise<Listed<Unanswered>> {
  return list(
    `/knowledge-bases/${base}/unanswered${query({ page, per_page: perPage })}`,
    "unanswered",
    (row) => ({
      id: Number(row["id"]),
      question: String(row["question"]),
      times: Number(row["times"]),
      score: Number(row["score"]),
      session: Number(row["session_id"]),
      lastAskedAt: String(row["last_asked_at"]),
    }),
    signal,
  );
}

/** Embeds everything anew; how many passages. With `minRecall` (0 to 1) only where the golden questions find so much, else 409. */
export async function reindex(base: number, minRecall: number | null, signal?: AbortSignal): Promise<number> {
  const path = `/knowledge-bases/${base}/reindex${query({ min_recall: minRecall })}`;
  return Number(((await ask("POST", path, undefined, signal, REINDEX_MS)) as Json)["chunks_reindexed"]);
}

function readChunk(row: Json): Chunk {
  return {
    id: Number(row["id"]),
    content: String(row["content"]),
    source: String(row["source"]),
    index: Number(row["chunk_index"]),
    isActive: row["is_active"] === true,
  };
}

function readIngested(answer: Json, isLater: boolean): Ingested {
  return { chunks: Number(answer["chunks_created"]), source: String(answer["source_file"]), isLater };
}

function readFound(row: Json): Found {
  const citation = (row["citation"] ?? {}) as Json;
  return {
    id: Number(row["chunk_id"]),
    content: String(row["content"]),
    source: String(row["source"]),
    score: Number(row["score"]),
    parts: row["parts"] as Parts,
    heading: textOrNull(citation["heading"]),
    page: numberOrNull(citation["page"]),
    row: numberOrNull(citation["row"]),
  };
}

function baseOf(answer: unknown): Base {
  return readBase((answer as { knowledge_base: Json }).knowledge_base);
}

function readBase(row: Json): Base {
  return {
    id: Number(row["id"]),
    name: String(row["name"]),
    description: String(row["description"]),
    chunkSize: Number(row["chunk_size"]),
    chunkOverlap: Number(row["chunk_overlap"]),
    chunks: Number(row["chunk_count"]),
    characters: Number(row["total_chars"]),
    status: row["indexing_status"] as Base["status"],
    progress: Number(row["progress"]),
    model: String(row["embedding_model"]),
    indexedAt: textOrNull(row["last_indexed_at"]),
    createdAt: String(row["created_at"]),
  };
}
