/**
 * Where the page is:
 *
 *   key ──▶ loading ──▶ idle ──▶ connecting ──▶ call ──▶ ended
 *    ▲         │         ▲           │            │        │
 *    └─────────┴── failed ◀──────────┴────────────┘        │
 *                        └───────── connecting ◀───────────┘
 */

import type { PersonaState } from "../call/call";
import type { Problem } from "./problems";

export type TalkState =
  | { readonly phase: "key"; readonly problem: Problem | null; readonly checking: boolean }
  | { readonly phase: "loading" }
  | { readonly phase: "idle"; readonly permission: PermissionState }
  | { readonly phase: "connecting"; readonly waitingFor: "microphone" | "server" }
  | InCall
  | { readonly phase: "ended"; readonly seconds: number; readonly by: "you" | "persona" }
  | { readonly phase: "failed"; readonly problem: Problem; readonly seconds: number | null };

export interface InCall {
  readonly phase: "call";
  readonly persona: PersonaState;
  readonly connection: "up" | "reconnecting";
  readonly sound: "playing" | "blocked";
  readonly microphone: "live" | "lost" | "silent";
  readonly muted: boolean;
  readonly recorded: boolean;
  /** Escape was pressed once; a second press hangs up. */
  readonly leaving: boolean;
}

export const ANSWERED: InCall = {
  phase: "call",
  persona: "joining",
  connection: "up",
  sound: "playing",
  microphone: "live",
  muted: false,
  recorded: false,
  leaving: false,
};

/** One line that says where the call stands; also what a screen reader announces. */
export function statusLine(state: TalkState, persona: string): string {
  switch (state.phase) {
    case "key":
      return "A key opens this page";
    case "loading":
      return "One moment";
    case "idle":
      return "AI voice assistant";
    case "connecting":
      return state.waitingFor === "microphone" ? "Waiting for your microphone" : "Connecting";
    case "ended":
      return state.by === "you" ? "You hung up" : `${persona} hung up`;
    case "failed":
      return state.seconds === null ? "Not connected" : "Call ended";
    case "call":
      return callLine(state);
  }
}

function callLine(state: InCall): string {
  if (state.connection === "reconnecting") return "Reconnecting";
  switch (state.persona) {
    case "joining":
      return "Calling";
    case "listening":
      return state.muted ? "You are muted" : "Listening";
    case "thinking":
      return "Thinking";
    case "speaking":
      return "Speaking";
    case "away":
      return "Coming back";
  }
}
