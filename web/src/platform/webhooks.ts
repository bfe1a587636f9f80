/** Webhook endpoints and their deliveries. */

import { ask, type Json, list, type Listed, numberOrNull, query, textOrNull } from "./client";

export interface Endpoint {
  id: number;
  url: string;
  /** null: the usual ones. */
  events: string[] | null;
  description: string;
  isActive: boolean;
  /** `gone` or `failing`, where the platform switched it off. */
  disabledReason: string | null;
  failingSince: string | null;
  createdAt: string;
}

/** What is to be told where. */
export interface EndpointWish {
  url: string;
  events: string[] | null;
  description: string;
}

export type DeliveryState = "waiting" | "delivered" | "failed";

export interface Delivery {
  id: number;
  endpointId: number;
  /** null: a test. */
  eventId: number | null;
  eventType: string;
  roomName: string | null;
  messageId: string;
  state: DeliveryState;
  attempts: number;
  lastStatus: number | null;
  lastMilliseconds: number | null;
  nextAt: string | null;
  redeliveryOf: number | null;
  createdAt: string;
  finishedAt: string | null;
}

export interface Attempt {
  number: number;
  at: string;
  status: number | null;
  milliseconds: number;
  error: string | null;
  requestHeaders: Record<string, string>;
  /** Those that tell how the answer came about. */
  responseHeaders: Record<string, string>;
  response: string;
}

export interface DeliveryDetail extends Delivery {
  body: string;
  tries: Attempt[];
}

export interface TestResult {
  endpointId: number;
  deliveryId: number;
  status: number | null;
  milliseconds: number;
  error: string | null;
}

/** Where a replay begins: after an event, or at a moment; and where it ends. */
export interface Range {
  afterId: number | null;
  from: string | null;
  to: string | null;
}

export interface Replayed {
  queued: number;
  lastId: number | null;
  isComplete: boolean;
}

export async function endpoints(signal?: AbortSignal): Promise<Endpoint[]> {
  const answer = (await ask("GET", "/webhooks", undefined, signal)) as { webhooks: Json[] };
  return answer.webhooks.map(readEndpoint);
}

export async function endpoint(id: string, signal?: AbortSignal): Promise<Endpoint> {
  const answer = (await ask("GET", `/webhooks/${encodeURIComponent(id)}`, undefined, signal)) as { webhook: Json };
  return readEndpoint(answer.webhook);
}

/** Adds an endpoint; its id and its secret, which is shown only now. */
export async function addEndpoint(wish: EndpointWish): Promise<{ id: number; secret: string }> {
  const { webhook } = (await ask("POST", "/webhooks", wish)) as { webhook: Json };
  return { id: Number(webhook["id"]), secret: String(webhook["secret"]) };
}

export async function changeEndpoint(id: number, change: Partial<EndpointWish> & { is_active?: boolean }): Promise<Endpoint> {
  const answer = (await ask("PATCH", `/webhooks/${id}`, change)) as { webhook: Json };
  return readEndpoint(answer.webhook);
}

export async function deleteEndpoint(id: number): Promise<void> {
  await ask("DELETE", `/webhooks/${id}`);
}

/** Another secret, shown only now. */
export async function rotateSecret(id: number): Promise<string> {
  const { webhook } = (await ask("POST", `/webhooks/${id}/rotate-secret`)) as { webhook: Json };
  return String(webhook["secret"]);
}

/** A test event to all endpoints that are switched on. */
export async function testEndpoints(): Promise<TestResult[]> {
  const { results } = (await ask("POST", "/webhooks/test")) as { results: Json[] };
  return results.map((row) => ({
    endpointId: Number(row["endpoint_id"]),
    deliveryId: Number(row["delivery_id"]),
    status: numberOrNull(row["status"]),
    milliseconds: Number(row["latency_ms"]),
    error: textOrNull(row["error"]),
  }));
}

export function deliveries(
  id: number,
  filter: { state: string; eventType: string },
  page: number,
  perPage: number,
  signal: AbortSignal,
): Promise<Listed<Delivery>> {
  const asked = query({ state: filter.state, event_type: filter.eventType, page, per_page: perPage });
  return list(`/webhooks/${id}/deliveries${asked}`, "deliveries", readDelivery, signal);
}

export async function delivery(id: string, signal?: AbortSignal): Promise<DeliveryDetail> {
  const answer = (await ask("GET", `/deliveries/${encodeURIComponent(id)}`, undefined, signal)) as { delivery: Json };
  const row = answer.delivery;
  const tries = (row["attempts"] as Json[]).map((each) => ({
    number: Number(each["number"]),
    at: String(each["at"]),
    status: numberOrNull(each["status"]),
    milliseconds: Number(each["latency_ms"]),
    error: textOrNull(each["error"]),
    requestHeaders: each["request_headers"] as Record<string, string>,
    responseHeaders: each["response_headers"] as Record<string, string>,
    response: String(each["response"]),
  }));
  return { ...readDelivery(row), body: String(row["body"]), tries };
}

/** The delivery that repeats another. */
export async function redeliver(id: number): Promise<Delivery> {
  const answer = (await ask("POST", `/deliveries/${id}/redeliver`)) as { delivery: Json };
  return readDelivery(answer.delivery);
}

export async function replay(id: number, { afterId, from, to }: Range): Promise<Replayed> {
  const body = { ...(afterId === null ? {} : { after_id: afterId }), ...(from === null ? {} : { from }), ...(to === null ? {} : { to }) };
  const answer = (await ask("POST", `/webhooks/${id}/replay`, body)) as Json;
  return { queued: Number(answer["queued"]), lastId: numberOrNull(answer["last_id"]), isComplete: answer["complete"] === true };
}

function readEndpoint(row: Json): Endpoint {
  return {
    id: Number(row["id"]),
    url: String(row["url"]),
    events: row["events"] as string[] | null,
    description: String(row["description"]),
    isActive: row["is_active"] === true,
    disabledReason: textOrNull(row["disabled_reason"]),
    failingSince: textOrNull(row["failing_since"]),
    createdAt: String(row["created_at"]),
  };
}

function readDelivery(row: Json): Delivery {
  return {
    id: Number(row["id"]),
    endpointId: Number(row["endpoint_id"]),
    eventId: numberOrNull(row["event_id"]),
    eventType: String(row["event_type"]),
    roomName: textOrNull(row["room_name"]),
    messageId: String(row["message_id"]),
    state: row["state"] as DeliveryState,
    attempts: Number(row["attempt_count"]),
    lastStatus: numberOrNull(row["last_status"]),
    lastMilliseconds: numberOrNull(row["last_latency_ms"]),
    nextAt: textOrNull(row["next_attempt_at"]),
    redeliveryOf: numberOrNull(row["redelivery_of"]),
    createdAt: String(row["created_at"]),
    finishedAt: textOrNull(row["finished_at"]),
  };
}
