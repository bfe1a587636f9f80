/**
 * The page of a meeting: holds the state, does what the controls ask, and lets the views draw the outcome.
 *
 *   looking ──▶ ready ──▶ joining ──▶ meeting ──▶ ended
 *      │          ▲  ▲        │  ▲                  │
 *      │          │  └────────┤  waiting ──▶ ended  │
 *      └▶ ended   └───────────┴─────────────────────┘
 */

import type { Ending } from "../call/ending";
import { element, setText } from "../dom/element";
import { type Holder, type MeetingWish, readToken, type Sources, sourcesOf } from "./address";
import { Board, type Told } from "./board";
import { look } from "./entrance";
import { listenForKeys } from "./keys";
import type { Media, MediaListener } from "./media";
import { action, notice } from "./notice";
import { Prejoin, type Taken } from "./prejoin";
import { durationOf, finalOf, type Outcome, outcomeOf, problemOf } from "./problems";
import { RoomView } from "./room_view";
import { askedOf, MeetingSocket, Refusal } from "./socket";

type Phase = "looking" | "ready" | "joining" | "waiting" | "meeting" | "ended";
type Side = "chat" | "people";

const ANSWER_WITHIN_MS = 15_000;
const loadMedia = (): Promise<typeof import("./media")> => import("./media");

export class MeetingPage {
  private phase: Phase = "looking";
  private board = new Board();
  private media: Media | null = null;
  private line = { socket: "up", media: "up" } as Record<"socket" | "media", "up" | "reconnecting">;
  private soundBlocked = false;
  private recorded = false;
  private side: Side | null = null;
  private captions = true;
  private problem: string | null = null;
  private outcome: Outcome | null = null;
  private readonly holder: Holder | null;
  private title = "";
  private controls: Readonly<Record<string, unknown>> = {};
  private since = 0;
  private taken: Taken | null = null;
  private wasMuted: boolean | null = null;
  private muting = false;
  private patience: ReturnType<typeof setTimeout> | undefined;
  private prejoin: Prejoin;
  private readonly room: RoomView;
  private readonly socket: MeetingSocket;
  private readonly body = element("div", { class: "meeting" });
  private readonly announcer = element("p", { class: "visually-hidden", role: "status" });

  constructor(
    root: HTMLElement,
    private readonly wish: MeetingWish,
  ) {
    this.holder = wish.token === null ? null : readToken(wish.token);
    this.prejoin = new Prejoin((name) => this.join(name));
    this.room = new RoomView({
      toggleMute: () => void this.toggleMute(),
      toggleCamera: () => void this.attempt("The camera does not start", async () => this.media?.setFilming(!this.media.filming)),
      toggleScreen: () => void this.toggleScreen(),
      toggleHand: () => void this.toggleHand(),
      react: (emoji) => {
        this.room.react(this.board.me, emoji);
        void this.say("reaction", { emoji });
      },
      toggleCaptions: () => this.change(() => (this.captions = !this.captions)),
      openSide: (which) => this.openSide(which),
      closeSide: () => this.openSide(null),
      copyLink: () => void this.copyLink(),
      showKeys: () => undefined,
      toggleLock: () => void this.say(this.board.locked ? "meeting:unlock" : "meeting:lock"),
      toggleWaitingRoom: () => void this.say("meeting:waiting-room", { on: !this.board.waits }),
      endForAll: () => void this.say("meeting:end"),
      leave: () => void this.leave(),
      send: (text) => void this.send(text),
      allowSound: () => void this.media?.allowSound(),
      admit: (participantId) => void this.decide("participant:admit", participantId),
      deny: (participantId) => void this.decide("participant:kick", participantId),
      mute: (participantId) => void this.say("participant:mute", { participantId }),
      remove: (participantId) => void this.say("participant:kick", { participantId }),
    });
    this.socket = new MeetingSocket({
      joined: (told) => this.joined(told),
      waits: () => this.show("waiting"),
      refused: (code, message) => this.refused(code, message),
      happened: (event, data) => this.happened(event, data),
      lineIs: (state) => this.change(() => (this.line.socket = state)),
    });
    root.append(this.body, this.announcer);
    listenForKeys(this.body, {
      areHeard: () => this.phase === "meeting",
      escape: () => {
        if (this.side !== null) this.openSide(null);
      },
      openReactions: () => this.room.openReactions(),
    });
    setInterval(() => {
      if (this.phase === "meeting") this.room.tick(this.since, this.board.endsAt);
    }, 1_000);
  }

  async start(): Promise<void> {
    this.show("looking");
    const seen = await look(this.wish.code);
    if ("outcome" in seen) return this.finish(seen.outcome);
    this.title = seen.title;
    this.controls = seen.controls;
    this.show("ready");
    await this.getReady();
    // The client library is there before the person has found the button.
    requestIdleCallback?.(() => void loadMedia().catch(() => undefined), { timeout: 300 });
  }

  private async getReady(): Promise<void> {
    const kinds = [...(this.sources.microphone ? (["audio"] as const) : []), ...(this.sources.camera ? (["video"] as const) : [])];
    const opened = this.prejoin.open(kinds, this.holder?.name ?? null);
    this.prejoin.focus();
    await opened;
  }

  private get sources(): Sources {
    return sourcesOf(this.controls, this.holder);
  }

  private change(how: () => unknown): void {
    how();
    this.draw();
  }

  private join(name: string): void {
    this.problem = null;
    this.show("joining");
    void loadMedia().catch(() => undefined);
    this.socket.join(askedOf(this.wish, name));
    clearTimeout(this.patience);
    this.patience = setTimeout(() => {
      if (this.phase === "joining") this.giveUp("The server cannot be reached. Try again.");
    }, ANSWER_WITHIN_MS);
  }

  private giveUp(problem: string | null): void {
    this.socket.leave();
    this.problem = problem;
    this.show("ready");
  }

  private joined(told: Told): void {
    const hand = this.board.self?.hand ?? false;
    this.board.enter(told);
    this.controls = this.board.controls;
    if (this.phase === "meeting") {
      // Back after a cut: the server has forgotten the hand, and does not know the microphone.
      if (hand) void this.say("hand:raise").then(() => this.change(() => this.board.setHand(true)));
      this.tellMicrophone(true);
      this.draw();
      return;
    }
    this.since = Date.now();
    this.taken ??= this.prejoin.take();
    this.show("meeting");
    setText(this.announcer, `You are in the meeting ${this.board.title}`);
    void this.openMedia(told["livekit"] as { url: string; token: string });
  }

  private async openMedia(livekit: { url: string; token: string }): Promise<void> {
    const taken = this.taken ?? { microphone: null, camera: null, muted: true, loudspeaker: null };
    this.taken = null;
    let media: Media;
    try {
      const { Media } = await loadMedia();
      media = await Media.open(livekit.url, livekit.token, this.listener(), taken.loudspeaker);
    } catch {
      taken.microphone?.stop();
      taken.camera?.stop();
      this.ended("lost");
      return;
    }
    if (this.phase !== "meeting") return void media.leave();
    this.media = media;
    this.draw();
    document.documentElement.dataset["media"] = "up";
    await this.attempt("Microphone or camera do not start", () => media.publish(taken.microphone, taken.camera, taken.muted));
    this.tellMicrophone(true);
  }

  private listener(): MediaListener {
    return {
      changed: () => {
        this.tellMicrophone(false);
        this.draw();
      },
      lineIs: (state) => this.change(() => (this.line.media = state)),
      soundIs: (state) => this.change(() => (this.soundBlocked = state === "blocked")),
      recordingIs: (on) => this.change(() => (this.recorded = on)),
      deviceLost: (device) => this.room.note(`The ${device} was taken away`),
      ended: (why) => this.ended(why),
    };
  }

  /** The socket has no other way to know. `anew`: whatever it has been told. */
  private tellMicrophone(anew: boolean): void {
    const { media } = this;
    if (media === null || !this.sources.microphone || (!anew && media.muted === this.wasMuted)) return;
    if (this.wasMuted === false && media.muted && !this.muting) this.room.note("A host has muted you");
    this.wasMuted = media.muted;
    void this.say("microphone", { muted: media.muted }, true);
  }

  private async toggleMute(): Promise<void> {
    const { media } = this;
    if (media === null || !this.sources.microphone) return;
    this.muting = true;
    await this.attempt("The microphone does not start", () => media.setMuted(!media.muted));
    this.tellMicrophone(false);
    this.muting = false;
    setText(this.announcer, media.muted ? "Muted" : "Unmuted");
  }

  private async toggleScreen(): Promise<void> {
    const { media } = this;
    if (media === null) return;
    try {
      await media.setSharing(!media.sharing);
    } catch (error) {
      // Whoever closes the browser's question has changed their mind; that is no fault.
      if (!(error instanceof DOMException && error.name === "NotAllowedError")) this.room.note("The screen cannot be shown");
    }
    this.draw();
  }

  private async toggleHand(): Promise<void> {
    const hand = !(this.board.self?.hand ?? false);
    if (await this.say(hand ? "hand:raise" : "hand:lower")) this.change(() => this.board.setHand(hand));
  }

  private async send(text: string): Promise<void> {
    const { key } = this.board.say(text);
    this.draw();
    const sent = await this.say("chat:message", { text });
    this.change(() => this.board.settle(key, sent ? "sent" : "failed"));
  }

  private async decide(act: "participant:admit" | "participant:kick", participantId: string): Promise<void> {
    if (await this.say(act, { participantId })) this.change(() => this.board.unwait(participantId));
  }

  /** Whether it was done; where not, a note says why. */
  private async say(event: string, data: Told = {}, quietly = false): Promise<boolean> {
    try {
      await this.socket.say(event, data);
      return true;
    } catch (error) {
      if (!quietly) this.room.note(error instanceof Refusal ? error.message : "That did not work");
      return false;
    }
  }

  private async attempt(problem: string, act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch {
      this.room.note(problem);
    }
    this.draw();
  }

  private async copyLink(): Promise<void> {
    await this.attempt("The link cannot be copied", async () => {
      await navigator.clipboard.writeText(`${location.origin}/join/${this.wish.code}`);
      this.room.note("The link is copied");
    });
  }

  private happened(event: string, data: Told): void {
    if (event === "meeting:ended") {
      this.ended("over");
      return;
    }
    if (this.phase !== "meeting") return;
    const news = this.board.apply(event, data);
    if (this.side === "chat") this.board.unread = 0;
    if (news !== null) this.room.tell(news, this.board, this.side);
    this.draw();
  }

  private refused(code: string, message: string): void {
    if (this.phase === "ended") return;
    if (code === "REMOVED") return this.phase === "meeting" ? this.ended("removed") : this.finish(outcomeOf("denied"));
    if (code === "ELSEWHERE") return this.ended("elsewhere");
    const final = finalOf(code);
    if (final !== null) return this.phase === "meeting" ? this.ended("over") : this.finish(final);
    if (this.phase === "meeting") return this.ended("lost");
    this.giveUp(problemOf(code, message));
  }

  private async leave(): Promise<void> {
    this.socket.leave();
    const { media } = this;
    this.ended("left");
    await media?.leave();
  }

  private ended(why: Ending): void {
    if (this.phase === "ended") return; // socket and LiveKit both tell of an end; the first is right
    const outcome = outcomeOf(why);
    const lasted = this.phase === "meeting" ? `You were there for ${durationOf(Date.now() - this.since)}.` : "";
    this.finish({ ...outcome, words: [outcome.words, lasted].filter((each) => each !== "").join(" ") });
  }

  private finish(outcome: Outcome | null): void {
    const { media } = this;
    this.media = null;
    this.outcome = outcome;
    this.socket.leave();
    this.prejoin.close();
    this.room.clear();
    delete document.documentElement.dataset["media"];
    this.show("ended"); // before the line is closed, whose end is then no news
    void media?.leave();
  }

  private again(): void {
    this.board = new Board();
    this.line = { socket: "up", media: "up" };
    this.side = null;
    this.recorded = false;
    this.wasMuted = null;
    this.prejoin = new Prejoin((name) => this.join(name));
    this.show("ready");
    void this.getReady();
  }

  private openSide(which: Side | null): void {
    const from = this.side;
    this.side = which === from ? null : which;
    if (this.side === "chat") this.board.unread = 0;
    this.draw();
    if (this.side !== null) this.room.focusSide(this.side);
    else if (from !== null) this.body.querySelector<HTMLElement>(`[aria-keyshortcuts="${from === "chat" ? "C" : "P"}"]`)?.focus();
  }

  private show(phase: Phase): void {
    const before = this.phase;
    this.phase = phase;
    document.documentElement.dataset["phase"] = phase;
    const shown = this.view();
    if (this.body.firstElementChild !== shown) this.body.replaceChildren(shown);
    this.draw();
    if (phase !== before && ["ended", "waiting", "meeting"].includes(phase)) this.body.querySelector<HTMLElement>("h1")?.focus();
    if (phase === "ready" && before === "joining") this.prejoin.focus();
  }

  private view(): HTMLElement {
    switch (this.phase) {
      case "looking":
        return element("div", {});
      case "ready":
      case "joining":
        return this.prejoin.root;
      case "waiting":
        return notice("Waiting to be let in", `The host of ${this.title || "the meeting"} knows that you are here.`, [
          action("Cancel", "", () => this.giveUp(null)),
        ]);
      case "meeting":
        return this.room.root;
      case "ended": {
        const again = this.outcome?.again ? [action("Join again", "button--action", () => this.again())] : [];
        return notice(this.outcome?.title ?? "", this.outcome?.words ?? "", [...again, element("a", { class: "button", href: "/" }, "Home")]);
      }
    }
  }

  private draw(): void {
    document.title = `${this.phase === "meeting" && this.board.unread > 0 ? `(${this.board.unread}) ` : ""}${this.board.title || this.title || "Meeting"} · Parley`;
    if (this.phase === "ready" || this.phase === "joining") {
      this.prejoin.update({
        title: this.title || "Join the meeting",
        host: this.wish.admin !== null,
        waitingRoom: this.controls["enable_waiting_room"] === true && this.controls["auto_admit"] !== true,
        joining: this.phase === "joining",
        problem: this.problem,
      });
    }
    if (this.phase !== "meeting") return;
    const line = this.line.socket === "up" && this.line.media === "up" ? "up" : "reconnecting";
    document.documentElement.dataset["line"] = line;
    this.room.update(this.board, {
      media: this.media,
      line,
      soundBlocked: this.soundBlocked,
      side: this.side,
      captions: this.captions,
      sources: this.sources,
      recorded: this.recorded,
    });
  }
}
