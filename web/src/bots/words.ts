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
