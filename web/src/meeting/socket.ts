/** The socket of a meeting: who is there, chat, hands, roles. Comes back by itself after a cut, as who it was. */

import { io, type Socket } from "socket.io-client";
import type { MeetingWish } from "./address";
import type { Told } from "./board";

export interface Asked {
  readonly meetingId: string;
  readonly name?: string;
  readonly token?: string;
  readonly adminToken?: string;
}

/** Whoever has a token is who it says; others are who they say. */
export function askedOf({ code, token, admin }: MeetingWish, name: string): Asked {
  if (token !== null) return { meetingId: code, token };
  return admin === null ? { meetingId: code, name } : { meetingId: code, name, adminToken: admin };
}

export interface SocketListener {
  joined(told: Told): void;
  waits(): void;
  refused(code: string, message: string): void;
  happened(event: string, data: Told): void;
  lineIs(state: "up" | "reconnecting"): void;
}

export class Refusal extends Error {
  override readonly name = "Refusal";
}

const ANSWER_WITHIN_MS = 8_000;
/** What is said once and has gone by; told again after a cut it would be wrong. */
const AT_ONCE = new Set(["reaction", "participant:mute", "participant:kick", "participant:admit", "meeting:end"]);

export class MeetingSocket {
  private readonly socket: Socket;
  private asked: Asked | null = null;
  private seated = false;
  /** What was said during a cut. */
  private readonly unsaid: (() => void)[] = [];

  constructor(private readonly listener: SocketListener) {
    this.socket = io({ transports: ["websocket"], reconnectionDelay: 300, reconnectionDelayMax: 3_000, timeout: 5_000 });
    this.socket
      .on("connect", () => {
        if (this.asked !== null) this.ask();
      })
      .on("disconnect", () => {
        this.seated = false;
        if (this.asked !== null) this.listener.lineIs("reconnecting");
      })
      .on("joined", (told: Told) => {
        const livekit = told["livekit"] as { token?: string } | undefined;
        this.comeBackWith(livekit?.token);
        this.seated = true;
        this.listener.joined(told);
        this.listener.lineIs("up");
        for (const say of this.unsaid.splice(0)) say();
      })
      .on("waiting", (told: Told) => {
        if (this.seated) {
          this.listener.happened("waiting", told);
          return;
        }
        this.comeBackWith(typeof told["token"] === "string" ? told["token"] : undefined);
        this.listener.waits();
        this.listener.lineIs("up");
      })
      .on("join-error", ({ code, message }: { code: string; message: string }) => {
        this.seated = false;
        this.asked = null;
        this.listener.refused(code, message);
      })
      .onAny((event: string, data: unknown) => {
        if (["joined", "waiting", "join-error"].includes(event)) return;
        this.listener.happened(event, (data ?? {}) as Told);
      });
  }

  /** Asks for a seat, now and after every cut. */
  join(asked: Asked): void {
    this.asked = asked;
    if (this.socket.connected) this.ask();
  }

  /** Says something and waits for the answer. During a cut it is said afterwards. Raises `Refusal`. */
  async say(event: string, data: Told = {}): Promise<void> {
    if (!this.seated) {
      if (AT_ONCE.has(event)) throw new Refusal("There is no connection just now");
      await new Promise<void>((resolve) => this.unsaid.push(resolve));
    }
    let answer: { ok: boolean; message?: string };
    try {
      answer = (await this.socket.timeout(ANSWER_WITHIN_MS).emitWithAck(event, data)) as typeof answer;
    } catch {
      throw new Refusal("The server did not answer");
    }
    if (!answer.ok) throw new Refusal(answer.message ?? "The server refused");
  }

  leave(): void {
    if (this.asked !== null && this.socket.connected) this.socket.emit("leave-meeting");
    this.asked = null;
    this.seated = false;
    this.unsaid.length = 0;
  }

  private ask(): void {
    this.socket.emit("join-meeting", { ...this.asked, isBot: false });
  }

  /** From now on it is the token that says who this is. */
  private comeBackWith(token: string | undefined): void {
    if (this.asked !== null && token !== undefined) this.asked = { meetingId: this.asked.meetingId, token };
  }
}
