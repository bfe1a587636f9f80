/** The cards of a supervised call: who would hear whom in each mode, a click or a key away; and what the microphone does. */

import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";
import type { Mode } from "../platform/supervision";
import { pictureOf, wordsOf } from "./pictures";

export type Choice = Mode | "return" | "leave";

interface Card {
  readonly choice: Mode;
  readonly title: string;
  readonly hint: string;
  readonly key: string;
}

const CARDS: readonly Card[] = [
  { choice: "listen", title: "Listen in", hint: "You hear all, nobody hears you.", key: "1" },
  { choice: "whisper", title: "Whisper", hint: "The persona alone hears you.", key: "2" },
  { choice: "barge", title: "Speak to both", hint: "Caller and persona hear you.", key: "3" },
  { choice: "takeover", title: "Take over", hint: "You talk, the persona is silent.", key: "4" },
];

const MICROPHONE: Record<Mode, string> = {
  listen: "Your microphone is off.",
  whisper: "Your microphone is on: the persona hears you, the caller does not.",
  barge: "Your microphone is on: the caller and the persona hear you.",
  takeover: "Your microphone is on: the caller hears you, the persona is silent.",
};

export interface ModesListener {
  chosen(choice: Choice): void;
  hinted(text: string): void;
  muted(isMuted: boolean): void;
}

export class ModesView {
  readonly root: HTMLElement;

  private readonly cards = new Map<Mode, HTMLButtonElement>();
  private readonly microphone = element("p", { class: "modes__microphone", role: "status" });
  private readonly mute = element("button", { class: "button button--small", type: "button", "aria-pressed": "false" }, icon("microphoneOff", 16), "Mute me");
  private readonly back = element("button", { class: "button button--action modes__back", type: "button" }, "Give back", element("kbd", {}, "5"));
  private readonly leave = element("button", { class: "button button--small", type: "button" }, icon("leave", 16), "Stop listening");
  private readonly hint = element("input", {
    class: "field__input",
    id: "hint",
    maxlength: "2000",
    autocomplete: "off",
    placeholder: "A hint for its next words",
  });
  private readonly send = element("button", { class: "button button--small", type: "submit" }, icon("send", 16), "Whisper it");
  private readonly sent = element("p", { class: "modes__sent", role: "status" });
  private mode: Mode | null = null;
  private isBusy = false;
  private hasPersona = false;
  private drawn = "";

  constructor(listener: ModesListener) {
    const list = element("div", { class: "modes__cards", role: "group", "aria-label": "How you take part" });
    for (const { choice, title, hint, key } of CARDS) {
      const card = element(
        "button",
        { class: "mode", type: "button", "data-mode": choice, "aria-pressed": "false", "aria-describedby": `hears-${choice}` },
        pictureOf(choice),
        element("span", { class: "mode__title" }, title, element("kbd", {}, key)),
        element("span", { class: "mode__hint" }, hint),
        element("span", { class: "visually-hidden", id: `hears-${choice}` }, wordsOf(choice)),
      );
      card.addEventListener("click", () => listener.chosen(choice));
      this.cards.set(choice, card);
      list.append(card);
    }
    this.back.addEventListener("click", () => listener.chosen("return"));
    this.leave.addEventListener("click", () => listener.chosen("leave"));
    this.mute.addEventListener("click", () => {
      const isMuted = this.mute.getAttribute("aria-pressed") !== "true";
      this.mute.setAttribute("aria-pressed", String(isMuted));
      listener.muted(isMuted);
      this.draw();
    });
    const form = element(
      "form",
      { class: "modes__hint" },
      element("label", { class: "visually-hidden", for: "hint" }, "Hint for the persona"),
      this.hint,
      this.send,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.hint.value.trim();
      if (text !== "") listener.hinted(text);
    });
    this.root = element(
      "section",
      { class: "modes panel", "aria-label": "Supervise" },
      list,
      form,
      this.sent,
      element("div", { class: "modes__foot" }, this.microphone, this.mute, this.back, this.leave),
    );
    this.update({ mode: null, isBusy: false, isOver: false, hasPersona: false, holder: null });
  }

  /** `isOver`: there is no such call; `holder`: somebody else who has it in hand. */
  update(state: { mode: Mode | null; isBusy: boolean; isOver: boolean; hasPersona: boolean; holder: string | null }): void {
    const drawn = JSON.stringify(state);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const isNew = state.mode !== this.mode;
    this.mode = state.mode;
    this.isBusy = state.isBusy;
    this.hasPersona = state.hasPersona;
    if (isNew) this.mute.setAttribute("aria-pressed", "false");
    for (const [mode, card] of this.cards) {
      card.setAttribute("aria-pressed", String(mode === state.mode));
      const isTaken = state.holder !== null && mode !== "listen";
      card.disabled = state.isBusy || state.isOver || isTaken || (!state.hasPersona && (mode === "whisper" || mode === "takeover"));
      card.title = isTaken ? `${state.holder ?? ""} supervises this call already` : "";
    }
    this.send.disabled = !state.hasPersona || state.holder !== null;
    this.hint.disabled = this.send.disabled;
    this.draw();
  }

  hintTaken(text: string): void {
    this.hint.value = "";
    setText(this.sent, `Whispered: “${text}”`);
  }

  /** A key of the keyboard, where it means something here. */
  key(key: string): Choice | null {
    const card = CARDS.find((each) => each.key === key);
    if (card !== undefined) return this.cards.get(card.choice)?.disabled === false ? card.choice : null;
    return key === "5" && !this.back.hidden && !this.isBusy ? "return" : null;
  }

  private draw(): void {
    const { mode } = this;
    const isSpeaking = mode !== null && mode !== "listen";
    const isMuted = this.mute.getAttribute("aria-pressed") === "true";
    setText(this.microphone, mode === null ? "You are not connected to this call." : isSpeaking && isMuted ? "Your microphone is muted." : MICROPHONE[mode]);
    this.microphone.dataset["live"] = String(isSpeaking && !isMuted);
    this.mute.hidden = !isSpeaking;
    this.back.hidden = !isSpeaking;
    this.back.firstChild!.textContent = mode === "takeover" ? "Give back" : "Stop speaking";
    this.leave.hidden = mode === null;
    this.root.dataset["mode"] = mode ?? "none";
    this.root.dataset["persona"] = String(this.hasPersona);
  }
}
