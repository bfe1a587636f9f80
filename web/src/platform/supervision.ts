/** Supervising a call, as the API has it. */

import { ask, type Json, numberOrNull, textOrNull } from "./client";

export type Mode = "listen" | "whisper" | "barge" | "takeover";

export interface Supervised {
  mode: Mode | null;
  supervisor: string | null;
  /** LiveKit's, to listen with. */
  token: string | null;
  /** LiveKit's, to speak with, and the room it opens. */
  voice: { token: string; room: string } | null;
  wsUrl: string;
  sessionId: number | null;
}

/** Changes how a room is supervised. Throws `ApiError` where that cannot be, and says why. */
export async function supervise(
  room: string,
  asked: { mode: Mode | "return"; supervisor?: string; name?: string; text?: string },
  signal?: AbortSignal,
): Promise<Supervised> {
  const answer = (await ask("POST", `/rooms/${encodeURIComponent(room)}/supervise`, asked, signal)) as Json;
  const voice = answer["voice"] as Json | null;
  return {
    mode: textOrNull(answer["mode"]) as Mode | null,
    supervisor: textOrNull(answer["supervisor"]),
    token: textOrNull(answer["token"]),
    voice: voice === null ? null : { token: String(voice["token"]), room: String(voice["room"]) },
    wsUrl: String(answer["wsUrl"]),
    sessionId: numberOrNull(answer["session_id"]),
  };
}
