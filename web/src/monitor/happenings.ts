/** What the monitor's messages say, in words. */

import { durationInWords } from "../call/transcript";
import type { IconName } from "../dom/icons";
import type { MonitorMessage } from "../platform/monitor";

export interface Happening {
  readonly icon: IconName;
  readonly text: string;
  /** Somebody should look at it. */
  readonly bad: boolean;
}

const endings: Readonly<Record<string, string>> = {
  caller_left: "the caller left",
  persona_ended: "the persona hung up",
  api: "closed over the API",
  max_duration: "it reached its longest duration",
  silence: "nobody spoke",
  room_closed: "the room was closed",
  worker_lost: "its worker was lost",
  not_started: "the persona did not come",
  displaced: "the persona was put out again and again",
  model_failed: "a model failed",
  budget: "the budget is used up",
};

/** LiveKit's words for how people leave every day, and none; the others are worth a word. */
const ordinaryLeaving = new Set(["", "client_initiated", "unknown_reason", "room_deleted", "room_closed"]);

const calls: Readonly<Record<string, (number: string) => string>> = {
  dialing: (number) => `Dialling ${number}`,
  ringing: (number) => `${number} is ringing`,
  answered: (number) => `${number} answered`,
  voicemail: (number) => `${number}: voicemail`,
  ended: (number) => `Phone call with ${number} ended`,
  busy: (number) => `${number} is busy`,
  rejected: (number) => `${number} rejected the call`,
  no_answer: (number) => `${number} did not answer`,
  failed: (number) => `The call to ${number} failed`,
};

const supervising: Readonly<Record<string, string>> = {
  listen: "listens",
  whisper: "whispers to the persona",
  barge: "speaks to both",
  takeover: "took the call over",
  ended: "listens no longer",
};

const recordings: Readonly<Record<string, string>> = {
  recording: "Recording started",
  completed: "Recording saved",
  error: "Recording failed",
};

/** A line for an event of the log; never for what was said. */
export function happeningOf(message: MonitorMessage): Happening {
  const { type } = message;
  const text = (field: string): string => textOf(message.data[field]);
  switch (type) {
    case "room.created":
      return good("door", "Room opened");
    case "room.closed":
      return good("door", "Room closed");
    case "participant.joined":
      return good("enter", `${text("name") || person(text("identity"))} joined`);
    case "participant.left": {
      const why = ordinaryLeaving.has(text("cause")) ? "" : ` (${words(text("cause"))})`;
      return good("leave", `${person(text("identity"))} left${why}`);
    }
    case "session.started":
      return good("phone", "Call started");
    case "session.ended": {
      const duration = Number(message.data["duration"]);
      const length = message.data["duration"] != null && duration >= 0 ? ` after ${durationInWords(duration)}` : "";
      return { icon: "phone", text: `Call ended${length}${because(text("end_reason"))}`, bad: text("outcome") === "error" };
    }
    case "session.failed":
      return { icon: "alert", text: `Call failed${because(text("end_reason"))}`, bad: true };
    case "recording.status": {
      const status = text("status");
      return { icon: "record", text: recordings[status] ?? `Recording: ${words(status)}`, bad: status === "error" };
    }
    case "call.status": {
      const status = text("status");
      const number = text("phone_number") || "The number";
      const bad = ["busy", "rejected", "no_answer", "failed"].includes(status);
      return { icon: "phone", text: calls[status]?.(number) ?? `${number}: ${words(status)}`, bad };
    }
    case "supervision.changed":
      return good("people", `${text("name") || "A supervisor"} ${supervising[text("mode")] ?? words(text("mode"))}`);
    case "budget.warning":
    case "budget.exceeded": {
      const spent = `$${text("spent_usd")} of this month’s $${text("limit_usd")} are spent`;
      return { icon: "alert", text: spent, bad: type === "budget.exceeded" };
    }
    default:
      return good("dot", words(type));
  }
}

export function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function good(icon: IconName, text: string): Happening {
  return { icon, text, bad: false };
}

function because(reason: string): string {
  return reason === "" ? "" : `: ${endings[reason] ?? words(reason)}`;
}

/** `sip_+17751234567` is a telephone, known by its number; `agent-1` the persona of that id. */
function person(identity: string): string {
  if (identity.startsWith("agent-")) return "The persona";
  return identity.replace(/^sip_/, "") || "Somebody";
}

function words(name: string): string {
  const spaced = name.replaceAll(/[._]/g, " ");
  return spaced === "" ? "" : (spaced[0] ?? "").toUpperCase() + spaced.slice(1);
}
