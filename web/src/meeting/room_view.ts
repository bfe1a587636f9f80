/** A meeting on the screen: stage, controls, panel, captions and what is to be known at once. */

import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";
import type { Sources } from "./address";
import { Bar, type BarActions } from "./bar";
import type { Board, News } from "./board";
import { ChatView } from "./chat_view";
import type { Media } from "./media";
import { type HostActions, PeopleView } from "./people_view";
import { Side } from "./side";
import { type Present, Stage } from "./stage";

export interface RoomActions extends BarActions, HostActions {
  send(text: string): void;
  closeSide(): void;
  allowSound(): void;
}

export interface RoomState {
  readonly media: Media | null;
  readonly line: "up" | "reconnecting";
  readonly soundBlocked: boolean;
  readonly side: "chat" | "people" | null;
  readonly captions: boolean;
  readonly sources: Sources;
  /** What the media server says; the socket says it too, whichever comes first. */
  readonly recorded: boolean;
}

const NOTE_MS = 5_000;
/** Who writes down what is said, and says nothing: among the participants, not on the stage. */
const SCRIBE = "agent-0";

const KEYS = [
  ["M", "Mute or unmute"],
  ["V", "Camera on or off"],
  ["S", "Present your screen"],
  ["H", "Raise or lower your hand"],
  ["R", "Reactions"],
  ["T", "Captions"],
  ["C", "Chat"],
  ["P", "Participants"],
  ["Esc", "Close the panel"],
] as const;

export class RoomView {
  readonly root: HTMLElement;

  private readonly stage = new Stage();
  private readonly bar: Bar;
  private readonly chat: ChatView;
  private readonly people: PeopleView;
  private readonly side: Side;
  private readonly title = element("h1", { class: "head__title", tabindex: "-1" });
  private readonly recorded = element("p", { class: "head__light", "aria-live": "polite" });
  private readonly locked = element("span", { class: "head__lock", role: "img", "aria-label": "Locked", title: "Locked: nobody new comes in" }, icon("lock", 16));
  private readonly clock = element("span", { class: "head__clock" });
  private readonly banner = element("p", { class: "banner" });
  private readonly warning = element("p", { class: "banner banner--warning", role: "timer" });
  private readonly sound: HTMLButtonElement;
  private readonly captions = element("div", { class: "captions", role: "log", "aria-label": "Captions", "aria-live": "off" });
  private readonly notes = element("div", { class: "notes", "aria-hidden": "true" });
  private readonly spoken = element("div", { class: "visually-hidden", role: "log", "aria-live": "polite" });
  private readonly keys: HTMLDialogElement;
  private saidCaption = "";

  constructor(actions: RoomActions) {
    this.bar = new Bar({ ...actions, showKeys: () => this.showKeys() });
    this.chat = new ChatView(actions.send);
    this.people = new PeopleView(actions);
    this.side = new Side({ chat: this.chat, people: this.people }, actions.closeSide);
    this.sound = element("button", { class: "button button--action sound", type: "button", hidden: true }, icon("sound", 18), "Hear the others");
    this.sound.addEventListener("click", actions.allowSound);
    this.keys = element(
      "dialog",
      { class: "keys", "aria-label": "Keyboard shortcuts" },
      element("h2", {}, "Keyboard shortcuts"),
      element("dl", {}, ...KEYS.flatMap(([key, words]) => [element("dt", {}, element("kbd", {}, key)), element("dd", {}, words)])),
      element("form", { method: "dialog" }, element("button", { class: "button" }, "Close")),
    );
    this.root = element(
      "main",
      { class: "room" },
      element("header", { class: "head" }, this.title, this.locked, this.recorded, this.clock),
      element("div", { class: "banners" }, this.banner, this.warning),
      this.stage.root,
      element("div", { class: "over" }, this.notes, this.captions, this.sound),
      this.side.root,
      this.bar.root,
      this.spoken,
      this.keys,
    );
    this.banner.setAttribute("role", "status");
  }

  update(board: Board, state: RoomState): void {
    const people = gather(board, state.media);
    const self = people.find((each) => each.isSelf);
    const { media } = state;
    setText(this.title, board.title || "Meeting");
    this.locked.hidden = !board.locked;
    this.light(board.recording || state.recorded);
    const shown = people.filter((each) => each.id !== SCRIBE);
    this.stage.update(shown, shown.length < 2 ? "Nobody else is here yet" : "");
    this.banner.hidden = state.line === "up";
    setText(this.banner, state.line === "up" ? "" : "Reconnecting");
    this.sound.hidden = !state.soundBlocked;
    const may = (source: "microphone" | "camera" | "screen_share"): boolean => state.sources[source] && (media?.may(source) ?? true);
    const canShare = typeof navigator.mediaDevices?.getDisplayMedia === "function";
    const captions = board.allows("enable_transcription");
    this.bar.update({
      microphone: !may("microphone") ? "none" : (media?.muted ?? true) ? "off" : "on",
      camera: !may("camera") ? "none" : (media?.filming ?? false) ? "on" : "off",
      screen: !may("screen_share") || !canShare ? "none" : (media?.sharing ?? false) ? "on" : "off",
      hand: self?.hand ?? false,
      captions: !captions ? "none" : state.captions ? "on" : "off",
      chat: board.allows("enable_chat"),
      side: state.side,
      unread: board.unread,
      people: people.length,
      waiting: board.waiting.length,
      isHost: board.isHost,
      locked: board.locked,
      waits: board.waits,
    });
    this.chat.update(board.chat);
    this.people.update(people, board.waiting, board.isHost);
    this.side.update(state.side, people.length);
    this.root.dataset["side"] = state.side ?? "";
    this.caption(board, captions && state.captions);
  }

  /** Once a second. */
  tick(since: number, endsAt: number | null): void {
    const seconds = Math.floor((Date.now() - since) / 1_000);
    const minutes = Math.floor(seconds / 60);
    setText(this.clock, `${minutes}:${String(seconds % 60).padStart(2, "0")}`);
    const left = endsAt === null ? null : Math.max(0, Math.ceil((endsAt - Date.now()) / 1_000));
    this.warning.hidden = left === null;
    setText(this.warning, left === null ? "" : `The meeting ends in ${left} s`);
  }

  /** Tells what happened, to the eye and to the ear. */
  tell(news: News, board: Board, side: "chat" | "people" | null): void {
    const words = wordsOf(news);
    if (news.kind === "reaction") this.stage.react(news.id, news.emoji);
    if (news.kind === "chat" && side === "chat") this.speak(words);
    else if (news.kind === "reaction") this.speak(words);
    else if (news.kind === "recording" && board.recording) return; // the light says it
    else this.note(words);
  }

  /** A word in passing. */
  note(words: string): void {
    const note = element("p", { class: "note" }, words);
    this.notes.replaceChildren(note);
    setTimeout(() => note.remove(), NOTE_MS);
    this.speak(words);
  }

  react(id: string, emoji: string): void {
    this.stage.react(id, emoji);
  }

  openReactions(): void {
    this.bar.openReactions();
  }

  focusSide(side: "chat" | "people"): void {
    if (side === "chat") this.chat.focus();
    else this.side.focus();
  }

  clear(): void {
    this.stage.clear();
    this.keys.close();
    this.notes.replaceChildren();
    this.spoken.replaceChildren();
  }

  private showKeys(): void {
    this.keys.showModal();
  }

  private speak(words: string): void {
    this.spoken.append(element("p", {}, words));
    while (this.spoken.childElementCount > 20) this.spoken.firstElementChild?.remove();
  }

  /** Words that are still being said are for the eye alone; a screen reader hears whole lines. */
  private caption(board: Board, shown: boolean): void {
    this.captions.hidden = !shown || board.captions.length === 0;
    const lines = board.captions.map((each) => element("p", { class: "caption" }, element("b", {}, each.speaker), " ", each.text));
    this.captions.replaceChildren(...lines);
    const last = board.captions.findLast((each) => each.final);
    const words = last === undefined ? "" : `${last.speaker}: ${last.text}`;
    if (shown && words !== "" && words !== this.saidCaption) this.speak(words);
    this.saidCaption = words;
  }

  /** Put in and taken out, so that a screen reader says it once, when it becomes true. */
  private light(on: boolean): void {
    if (on === this.recorded.hasChildNodes()) return;
    const words = "This meeting is recorded";
    const light = element(
      "span",
      { class: "light", title: words },
      element("span", { "aria-hidden": "true" }, "Recorded"),
      element("span", { class: "visually-hidden" }, words),
    );
    this.recorded.replaceChildren(...(on ? [light] : []));
  }
}

/** Everybody who is there by the socket or in the media, each once; oneself first. */
function gather(board: Board, media: Media | null): Present[] {
  const seen = new Map((media?.people() ?? []).map((each) => [each.id, each]));
  const people = new Map<string, Present>();
  for (const [id, person] of board.people) {
    const found = seen.get(id) ?? null;
    people.set(id, {
      id,
      name: person.name,
      isSelf: id === board.me,
      isHost: person.isHost,
      isBot: person.isBot || (found?.isPersona ?? false),
      hand: person.hand,
      muted: found === null || found.microphone === "none" ? person.muted || (found !== null && !found.isPersona) : found.microphone === "off",
      seen: found,
    });
  }
  for (const [id, found] of seen) {
    if (people.has(id)) continue;
    people.set(id, {
      id,
      name: found.name,
      isSelf: found.isSelf,
      isHost: false,
      isBot: found.isPersona,
      hand: false,
      muted: found.microphone !== "on",
      seen: found,
    });
  }
  return [...people.values()].sort((one, other) => Number(other.isSelf) - Number(one.isSelf));
}

export function wordsOf(news: News): string {
  switch (news.kind) {
    case "came":
      return `${news.name} is here`;
    case "left":
      return `${news.name} left`;
    case "hand":
      return `${news.name} raised a hand`;
    case "waiting":
      return `${news.name} wants to come in`;
    case "reaction":
      return `${news.name}: ${news.emoji}`;
    case "chat":
      return `${news.line.name}: ${news.line.text}`;
    case "recording":
      return news.on ? "This meeting is recorded" : "The recording has ended";
    case "locked":
      return news.on ? "The meeting is locked" : "The meeting is open again";
    case "lobby":
      return news.on ? "The waiting room is on" : "The waiting room is off";
    case "warning":
      return news.seconds >= 55 && news.seconds <= 65 ? "The meeting ends in one minute" : `The meeting ends in ${news.seconds} seconds`;
  }
}
