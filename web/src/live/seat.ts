/** Where the supervisor sits in a call: which mode the server gave, and the sound that goes with it. */

import { supervise } from "../platform/supervision";
import type { Mode } from "../platform/supervision";
import type { Choice } from "./modes_view";
import type { Heard, Sound } from "./supervising";

export interface SeatListener {
  changed(): void;
  problem(words: string): void;
}

const OVER: Record<string, string> = {
  elsewhere: "You supervise this call from another window now.",
  closed: "The call is over.",
  lost: "The line to the call was lost. Listen in again.",
};

export class Seat {
  mode: Mode | null = null;
  supervisor: string | null = null;
  isBusy = false;

  private sound: Sound | null = null;
  /** Goes up as the seat is left: what was under way then must not sit down again. */
  private round = 0;

  constructor(
    private readonly room: string,
    private readonly name: string,
    private readonly listener: SeatListener,
  ) {}

  get heard(): ReadonlyMap<string, Heard> | null {
    return this.sound?.heard ?? null;
  }

  /** Takes part in another way, or leaves. Throws what refuses it; the mode then is what the server says. */
  async take(choice: Choice): Promise<void> {
    if (this.isBusy) return;
    if (choice === "leave") {
      await this.leave();
      return;
    }
    this.busy(true);
    const { round } = this;
    try {
      const sound = await this.loaded();
      if (round !== this.round) return sound.close();
      const asked = { mode: choice, name: this.name, ...(this.supervisor === null ? {} : { supervisor: this.supervisor }) };
      const answer = await supervise(this.room, asked);
      if (round !== this.round) return;
      this.mode = answer.mode;
      this.supervisor = answer.supervisor;
      this.listener.changed();
      await sound.listen(answer);
      try {
        await sound.speak(answer);
      } catch (error) {
        if (round === this.round) await this.stepBack();
        throw error;
      }
    } catch (error) {
      if (round !== this.round) return;
      if (this.mode === null) await this.leave();
      throw error;
    } finally {
      this.busy(false);
    }
  }

  async setMuted(isMuted: boolean): Promise<void> {
    await this.sound?.setMuted(isMuted);
  }

  async leave(): Promise<void> {
    const { sound } = this;
    this.round += 1;
    this.sound = null;
    this.mode = this.supervisor = null;
    this.listener.changed();
    await sound?.close();
  }

  /** Without a microphone nobody is kept waiting for a voice. */
  private async stepBack(): Promise<void> {
    if (this.mode === "listen") return;
    const answer = await supervise(this.room, { mode: "return", ...(this.supervisor === null ? {} : { supervisor: this.supervisor }) });
    this.mode = answer.mode;
  }

  private async loaded(): Promise<Sound> {
    if (this.sound !== null) return this.sound;
    const { Sound: Loaded } = await import("./supervising");
    const sound = new Loaded({
      changed: () => this.listener.changed(),
      blocked: (isBlocked) => {
        if (isBlocked) void sound.allow();
      },
      over: (why) => {
        this.listener.problem(OVER[why] ?? "");
        void this.leave();
      },
      voiceLost: () => {
        // A change under way closes the place of the mode before.
        if (this.isBusy || this.mode === "listen" || this.mode === null) return;
        this.listener.problem("Your microphone left the call; the persona has it again.");
        const listens = (): void => {
          this.mode = "listen"; // LiveKit itself tells a server that is away
        };
        void this.stepBack().catch(listens).finally(() => this.listener.changed());
      },
    });
    this.sound = sound;
    await sound.allow();
    return sound;
  }

  private busy(isBusy: boolean): void {
    this.isBusy = isBusy;
    this.listener.changed();
  }
}
