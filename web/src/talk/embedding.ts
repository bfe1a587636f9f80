/**
 * What an embedding page hears, as messages to its window:
 *
 *   {type: "parley:state", state, persona?, connection?, muted?, recorded?, code?, seconds?, by?}
 *   {type: "parley:transcript", segment, speaker, text, final, at}
 *
 * They are addressed to the parent's origin (`?origin=`, else the referrer) and to no other; where neither is
 * known nothing is sent, because a conversation is not for whoever happens to listen.
 */

import type { Line } from "../call/transcript";
import type { TalkState } from "./state";

export class Embedding {
  private last = "";

  constructor(private readonly origin: string | null) {}

  state(state: TalkState): void {
    const message = {
      type: "parley:state",
      state: state.phase,
      ...(state.phase === "call" && {
        persona: state.persona,
        connection: state.connection,
        muted: state.muted,
        recorded: state.recorded,
      }),
      ...(state.phase === "failed" && { code: state.problem.code }),
      ...(state.phase === "ended" && { seconds: Math.round(state.seconds), by: state.by }),
    };
    const text = JSON.stringify(message);
    if (text === this.last) return;
    this.last = text;
    this.send(message);
  }

  line(line: Line): void {
    this.send({ type: "parley:transcript", ...line });
  }

  private send(message: object): void {
    if (this.origin !== null && parent !== window) parent.postMessage(message, this.origin);
  }
}
