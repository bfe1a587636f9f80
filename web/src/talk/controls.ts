/** The buttons of a call. Each state shows its own; the row never changes its height. */

import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";
import type { TalkState } from "./state";

export interface ControlActions {
  call(): void;
  cancel(): void;
  hangUp(): void;
  toggleMute(): void;
}

export class Controls {
  readonly root: HTMLElement;
  private readonly callWords = element("span");
  private readonly call: HTMLButtonElement;
  private readonly cancel: HTMLButtonElement;
  private readonly mute: HTMLButtonElement;
  private readonly muteWords = element("span");
  private readonly hangUp: HTMLButtonElement;
  private readonly hint = element("p", { class: "controls__hint" });
  private phase: TalkState["phase"] = "loading";
  private countdown: ReturnType<typeof setInterval> | undefined;
  private secondsLeft = 0;
  private waitedFor: TalkState | null = null;

  constructor(actions: ControlActions) {
    this.call = button("button--action button--large call", icon("phone", 22), this.callWords);
    this.cancel = button("button--large", element("span", {}, "Cancel"));
    this.mute = button("button--large mute", icon("microphone", 22), icon("microphoneOff", 22), this.muteWords);
    this.mute.setAttribute("aria-pressed", "false");
    this.mute.setAttribute("aria-keyshortcuts", "M");
    this.hangUp = button("button--danger button--large hang-up", icon("phone", 22), element("span", {}, "Hang up"));
    this.call.addEventListener("click", () => {
      if (this.secondsLeft === 0) actions.call();
    });
    this.cancel.addEventListener("click", actions.cancel);
    this.mute.addEventListener("click", actions.toggleMute);
    this.hangUp.addEventListener("click", actions.hangUp);
    this.root = element(
      "div",
      { class: "controls", role: "group", "aria-label": "Call controls" },
      element("div", { class: "controls__row" }, this.call, this.cancel, this.mute, this.hangUp),
      this.hint,
    );
    // A key held down on "Call" must not press the button that takes its place.
    this.root.addEventListener("keydown", (event) => {
      if (event.repeat) event.preventDefault();
    });
  }

  update(state: TalkState, persona: string | null): void {
    const hadFocus = this.root.contains(document.activeElement);
    const calling = state.phase === "call";
    this.call.hidden = !(state.phase === "idle" || state.phase === "ended" || state.phase === "failed" || state.phase === "loading");
    this.call.disabled = state.phase === "loading";
    this.cancel.hidden = state.phase !== "connecting";
    this.mute.hidden = !calling;
    this.hangUp.hidden = !calling;
    if (calling) {
      this.mute.setAttribute("aria-pressed", String(state.muted));
      setText(this.muteWords, state.muted ? "Unmute" : "Mute");
    }
    if (state !== this.waitedFor) this.count(state, persona);
    setText(this.hint, hintOf(state));
    this.hint.classList.toggle("controls__hint--keys", state.phase === "call" || isWaiting(state));
    const changed = this.phase !== state.phase;
    this.phase = state.phase;
    if (changed && hadFocus && document.hasFocus()) this.focus();
  }

  /** Shows on the microphone button that it hears something. */
  showLevel(level: number): void {
    this.mute.style.setProperty("--level", level.toFixed(2));
  }

  focus(): void {
    [this.call, this.cancel, this.mute].find((candidate) => !candidate.hidden)?.focus();
  }

  /** After a refusal the button says how long to wait, and waits. */
  private count(state: TalkState, persona: string | null): void {
    this.waitedFor = state;
    clearInterval(this.countdown);
    this.secondsLeft = state.phase === "failed" ? (state.problem.retryAfterSeconds ?? 0) : 0;
    const words = callWordsOf(state, persona);
    const show = (): void => {
      this.call.setAttribute("aria-disabled", String(this.secondsLeft > 0));
      setText(this.callWords, this.secondsLeft > 0 ? `${words} in ${this.secondsLeft} s` : words);
    };
    show();
    if (this.secondsLeft === 0) return;
    this.countdown = setInterval(() => {
      this.secondsLeft -= 1;
      if (this.secondsLeft === 0) clearInterval(this.countdown);
      show();
    }, 1_000);
  }
}

function button(classes: string, ...children: Node[]): HTMLButtonElement {
  return element("button", { class: `button ${classes}`, type: "button" }, ...children);
}

function callWordsOf(state: TalkState, persona: string | null): string {
  switch (state.phase) {
    case "loading":
      return "";
    case "ended":
      return "Call again";
    case "failed":
      return state.seconds === null ? "Try again" : "Call again";
    default:
      return `Call ${persona ?? ""}`.trim();
  }
}

function isWaiting(state: TalkState): boolean {
  return state.phase === "connecting" && state.waitingFor === "server";
}

function hintOf(state: TalkState): string {
  switch (state.phase) {
    case "connecting":
      return isWaiting(state) ? "Escape cancels" : "Allow the microphone when the browser asks";
    case "call":
      return "M mutes · Escape twice hangs up";
    default:
      return "\u00a0";
  }
}
