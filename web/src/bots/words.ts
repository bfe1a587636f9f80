/** What the page calls things. */

import type { BotState } from "../platform/bots";

export const STATES: Record<BotState, string> = {
  scheduled: "Scheduled",
  joining: "Joining",
  waiting: "In the waiting room",
  attending: "In the meeting",
  ending: "Finishing",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
};

/** Minutes and seconds of a recording. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
