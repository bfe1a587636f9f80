/** The row of controls. What somebody may not do is not there. */

import { element, setText } from "../dom/element";
import { icon, type IconName } from "../dom/icons";

export interface BarActions {
  toggleMute(): void;
  toggleCamera(): void;
  toggleScreen(): void;
  toggleHand(): void;
  react(emoji: string): void;
  toggleCaptions(): void;
  openSide(which: "chat" | "people"): void;
  copyLink(): void;
  showKeys(): void;
  toggleLock(): void;
  toggleWaitingRoom(): void;
  endForAll(): void;
  leave(): void;
}

export interface BarState {
  readonly microphone: "on" | "off" | "none";
  readonly camera: "on" | "off" | "none";
  readonly screen: "on" | "off" | "none";
  readonly hand: boolean;
  readonly captions: "on" | "off" | "none";
  readonly chat: boolean;
  readonly side: "chat" | "people" | null;
  readonly unread: number;
  readonly people: number;
  readonly waiting: number;
  readonly isHost: boolean;
  readonly locked: boolean;
  readonly waits: boolean;
}

export const EMOJIS = ["👍", "👏", "❤️", "😂", "😮", "🎉"] as const;
const EMOJI_NAMES = ["Thumbs up", "Applause", "Heart", "Laughing", "Surprised", "Celebration"];

export class Bar {
  readonly root: HTMLElement;
  private readonly mute = toggle(["microphone", "microphoneOff"], "M");
  private readonly camera = toggle(["camera", "cameraOff"], "V");
  private readonly screen = toggle(["screen"], "S");
  private readonly hand = toggle(["hand"], "H");
  private readonly captions = toggle(["captions"], "T");
  private readonly chat = toggle(["chat"], "C");
  private readonly people = toggle(["people"], "P");
  private readonly badges = { chat: badge(), people: badge() };
  private readonly lock = menuItem("lock", "Lock the meeting");
  private readonly lobby = menuItem("door", "Turn the waiting room on");
  private readonly end = menuItem("leave", "End the meeting for all");
  private readonly captionsItem = menuItem("captions", "Captions");
  private readonly hosts: HTMLElement[];
  private readonly menu: HTMLElement;
  private readonly reactions: HTMLElement;

  constructor(actions: BarActions) {
    const react = popButton("smile", "Reactions", "reactions", "R");
    const more = popButton("more", "More", "more", null);
    this.reactions = element("div", { class: "pop pop--reactions", id: "reactions", popover: "auto", role: "group", "aria-label": "Reactions" });
    for (const [index, emoji] of EMOJIS.entries()) {
      const choice = element("button", { class: "pop__emoji", type: "button", "aria-label": EMOJI_NAMES[index] ?? emoji }, emoji);
      choice.addEventListener("click", () => {
        actions.react(emoji);
        this.reactions.hidePopover();
      });
      this.reactions.append(choice);
    }
    const copy = menuItem("copy", "Copy the link");
    const keys = menuItem("keyboard", "Keyboard shortcuts");
    this.hosts = [this.lobby, this.lock, this.end];
    this.end.classList.add("pop__item--danger");
    this.captionsItem.classList.add("pop__item--phone");
    keys.classList.add("pop__item--desktop");
    this.menu = element("div", { class: "pop pop--more", id: "more", popover: "auto", role: "group", "aria-label": "More" });
    this.menu.append(copy, this.captionsItem, keys, this.lobby, this.lock, this.end);
    const leave = element("button", { class: "button button--danger leave", type: "button", "aria-label": "Leave" }, icon("phone", 20));
    this.chat.append(this.badges.chat);
    this.people.append(this.badges.people);
    this.captions.classList.add("bar__button--desktop");
    this.screen.classList.add("bar__button--desktop");
    this.root = element(
      "div",
      { class: "bar", role: "group", "aria-label": "Meeting controls" },
      element("div", { class: "bar__middle" }, this.mute, this.camera, this.screen, this.hand, react, this.captions, this.chat, this.people, more, leave),
      this.reactions,
      this.menu,
    );
    this.mute.addEventListener("click", actions.toggleMute);
    this.camera.addEventListener("click", actions.toggleCamera);
    this.screen.addEventListener("click", actions.toggleScreen);
    this.hand.addEventListener("click", actions.toggleHand);
    this.captions.addEventListener("click", actions.toggleCaptions);
    this.chat.addEventListener("click", () => actions.openSide("chat"));
    this.people.addEventListener("click", () => actions.openSide("people"));
    leave.addEventListener("click", actions.leave);
    for (const [item, act] of [
      [copy, actions.copyLink],
      [keys, actions.showKeys],
      [this.captionsItem, actions.toggleCaptions],
      [this.lobby, actions.toggleWaitingRoom],
      [this.lock, actions.toggleLock],
      [this.end, actions.endForAll],
    ] as const) {
      item.addEventListener("click", () => {
        this.menu.hidePopover();
        act();
      });
    }
    // A key held down must not press what comes in its place.
    this.root.addEventListener("keydown", (event) => {
      if (event.repeat && (event.key === "Enter" || event.key === " ")) event.preventDefault();
    });
  }

  update(state: BarState): void {
    set(this.mute, state.microphone, ["Mute", "Unmute"], true);
    set(this.camera, state.camera, ["Turn camera off", "Turn camera on"], true);
    set(this.screen, state.screen, ["Stop presenting", "Present your screen"], false);
    set(this.hand, state.hand ? "on" : "off", ["Lower hand", "Raise hand"], false);
    set(this.captions, state.captions, ["Hide captions", "Show captions"], false);
    set(this.chat, state.chat ? (state.side === "chat" ? "on" : "off") : "none", ["Close chat", "Chat"], false);
    set(this.people, state.side === "people" ? "on" : "off", ["Close participants", "Participants"], false);
    this.captionsItem.hidden = state.captions === "none";
    setText(this.captionsItem.lastElementChild as Element, state.captions === "on" ? "Hide captions" : "Show captions");
    count(this.badges.chat, state.unread, state.unread > 0, "unread");
    count(this.badges.people, state.waiting || state.people, true, state.waiting > 0 ? "waiting" : "here");
    this.badges.people.classList.toggle("badge--urgent", state.waiting > 0);
    this.badges.chat.classList.add("badge--urgent");
    for (const item of this.hosts) item.hidden = !state.isHost;
    setText(this.lobby.lastElementChild as Element, state.waits ? "Turn the waiting room off" : "Turn the waiting room on");
    setText(this.lock.lastElementChild as Element, state.locked ? "Unlock the meeting" : "Lock the meeting");
  }

  openReactions(): void {
    this.reactions.togglePopover();
    this.reactions.querySelector("button")?.focus();
  }
}

function toggle(icons: readonly [IconName] | readonly [IconName, IconName], key: string): HTMLButtonElement {
  return element(
    "button",
    { class: "button bar__button", type: "button", "aria-keyshortcuts": key },
    ...icons.map((name) => icon(name, 20)),
  );
}

/** `warns`: that it is off is what has to be seen. */
function set(button: HTMLButtonElement, state: "on" | "off" | "none", words: readonly [string, string], warns: boolean): void {
  button.hidden = state === "none";
  const label = state === "on" ? words[0] : words[1];
  const key = button.getAttribute("aria-keyshortcuts");
  if (button.getAttribute("aria-label") !== label) {
    button.setAttribute("aria-label", label);
    button.title = `${label} (${key})`;
  }
  button.dataset["state"] = warns ? (state === "off" ? "warned" : "plain") : state === "on" ? "active" : "plain";
}

function badge(): HTMLElement {
  return element("span", { class: "badge" }, element("span", { "aria-hidden": "true" }), element("span", { class: "visually-hidden" }));
}

function count(on: HTMLElement, number: number, shown: boolean, words: string): void {
  on.hidden = !shown;
  setText(on.firstElementChild as Element, number > 99 ? "99+" : String(number));
  setText(on.lastElementChild as Element, `${number} ${words}`);
}

function popButton(name: IconName, words: string, target: string, key: string | null): HTMLButtonElement {
  const title = key === null ? words : `${words} (${key})`;
  return element(
    "button",
    { class: "button bar__button", type: "button", popovertarget: target, "aria-label": words, title, "aria-keyshortcuts": key ?? false },
    icon(name, 20),
  );
}

function menuItem(name: IconName, words: string): HTMLButtonElement {
  return element("button", { class: "pop__item", type: "button" }, icon(name, 18), element("span", {}, words));
}
