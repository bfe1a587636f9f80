/** What goes on in each room beside what is said: what its persona is doing, turns, warnings, who supervises it. */

import { happeningOf, textOf } from "../monitor/happenings";
import type { MonitorMessage } from "../platform/monitor";
import type { Mode } from "../platform/supervision";

export type PersonaDoes = "listening" | "thinking" | "speaking" | "silent";

export interface Turn {
  readonly at: number;
  /** Milliseconds of silence before the answer; null where nobody had spoken. */
  readonly gap: number | null;
  readonly parts: Readonly<Record<string, number | null>>;
  readonly passages: number;
}

export interface CallState {
  persona: PersonaDoes | null;
  lastLine: string;
  lastSpeaker: string;
  /** What somebody should look at. */
  warning: string;
  turns: Turn[];
  tools: { at: number; name: string; isFailed: boolean; ms: number }[];
  /** By supervisor. */
  supervisors: Map<string, { name: string; mode: Mode }>;
}

const KEPT = 30;

export class Calls {
  private readonly states = new Map<string, CallState>();

  of(fullName: string): CallState {
    let state = this.states.get(fullName);
    if (state === undefined) {
      state = { persona: null, lastLine: "", lastSpeaker: "", warning: "", turns: [], tools: [], supervisors: new Map() };
      this.states.set(fullName, state);
    }
    return state;
  }

  apply(message: MonitorMessage): void {
    const fullName = textOf(message.data["full_room_name"]);
    if (fullName === "") return;
    const { data } = message;
    const state = this.of(fullName);
    switch (message.type) {
      case "transcript.new":
        if (textOf(data["content"]) === "") return;
        state.lastLine = textOf(data["content"]);
        state.lastSpeaker = textOf(data["speaker"]);
        return;
      case "persona.state":
        state.persona = textOf(data["state"]) as PersonaDoes;
        return;
      case "turn.measured":
        keep(state.turns, {
          at: Date.parse(message.timestamp),
          gap: typeof data["heard_gap_ms"] === "number" ? data["heard_gap_ms"] : null,
          parts: (data["parts"] ?? {}) as Record<string, number | null>,
          passages: Number(data["passages"] ?? 0),
        });
        return;
      case "tool.used":
        keep(state.tools, {
          at: Date.parse(message.timestamp),
          name: textOf(data["name"]),
          isFailed: data["failed"] === true,
          ms: Number(data["ms"] ?? 0),
        });
        return;
      case "supervision.changed": {
        const who = textOf(data["supervisor"]);
        if (data["mode"] === "ended") state.supervisors.delete(who);
        else state.supervisors.set(who, { name: textOf(data["name"]), mode: textOf(data["mode"]) as Mode });
        return;
      }
      case "session.ended":
      case "session.failed":
        state.persona = null;
        state.supervisors.clear();
        break;
      case "room.closed":
        this.states.delete(fullName);
        return;
    }
    const { bad, text } = happeningOf(message);
    if (bad) state.warning = text;
  }

  /** Who has the call of a room in their hands, as everybody should see; null where they only listen. */
  supervisedAs(fullName: string): { name: string; mode: Mode } | null {
    for (const each of this.states.get(fullName)?.supervisors.values() ?? []) if (each.mode !== "listen") return each;
    return null;
  }
}

function keep<Row>(rows: Row[], row: Row): void {
  rows.push(row);
  if (rows.length > KEPT) rows.shift();
}
