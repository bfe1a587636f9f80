/** What the pages of webhooks call things. */

import { tag } from "../console/section";
import { ago, milliseconds } from "../console/words";
import type { Attempt, Delivery, DeliveryState, Endpoint } from "../platform/webhooks";

export const DELIVERY_STATES: Record<DeliveryState, string> = { waiting: "Waiting", delivered: "Delivered", failed: "Failed" };

export function deliveryTag(state: DeliveryState): HTMLElement {
  return tag(DELIVERY_STATES[state], { waiting: "warning", delivered: "active", failed: "failed" }[state]);
}

/** How an endpoint is doing, in a word or two. */
export function endpointTag({ isActive, disabledReason, failingSince }: Endpoint): HTMLElement {
  if (isActive) return failingSince === null ? tag("On", "active") : tag(`Failing since ${ago(failingSince)}`, "warning");
  if (disabledReason === "gone") return tag("Off: it answered 410", "failed");
  if (disabledReason === "failing") return tag("Off: failed for five days", "failed");
  return tag("Off");
}

export function eventsOf({ events }: Endpoint): string {
  if (events === null) return "The usual ones";
  return events.length > 3 ? `${events.slice(0, 2).join(", ")} and ${events.length - 2} more` : events.join(", ");
}

export function answerOf({ lastStatus, attempts }: Delivery): string {
  if (lastStatus !== null) return String(lastStatus);
  return attempts === 0 ? "–" : "No answer";
}

export function durationOf({ lastMilliseconds }: Delivery): string {
  return lastMilliseconds === null ? "–" : milliseconds(lastMilliseconds);
}

/** Whether a try went well. */
export function hasWorked({ status }: Attempt): boolean {
  return status !== null && status >= 200 && status < 300;
}
