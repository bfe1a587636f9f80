/** Who is called, how the call stands, and both voices as they sound. */

import type { LevelMeter } from "../call/levels";
import { isSpeech } from "../call/levels";
import { clock, durationInWords } from "../call/transcript";
import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";
import { initialsOf } from "../dom/initials";
import { Ribbon } from "./ribbon";
import { type Colours, Ring } from "./ring";
import { statusLine, type TalkState } from "./state";

/** A side counts as speaking through the short gaps between its words. */
const HOLD_MS = 320;

export interface Voices {
  persona: LevelMeter | null;
  you: LevelMeter | null;
  seconds: number;
}

export class Stage {
  readonly root: HTMLElement;
  /** Loudness of the person's own voice in the last frame, 0 to 1. */
  ownLevel = 0;

  private readonly initials = element("span", { class: "stage__initials" });
  private readonly name = element("h1", { class: "stage__name" });
  private readonly status = element("span", { class: "stage__state" });
  private readonly time = element("span", { class: "stage__time" });
  private readonly recorded = element("p", { class: "stage__recorded", "aria-live": "polite" });
  private readonly personaLabel = element("span", { class: "stage__side stage__side--persona" });
  private readonly youLabel = element("span", { class: "stage__side stage__side--you" }, "You");
  private readonly ring: Ring;
  private readonly ribbon: Ribbon;
  private readonly palette = {
    persona: element("i", { class: "palette palette--persona" }),
    you: element("i", { class: "palette palette--you" }),
    quiet: element("i", { class: "palette palette--quiet" }),
  };
  private colours: Colours = { persona: "", you: "", quiet: "" };
  private state: TalkState = { phase: "loading" };
  private spokeAt = { persona: Number.NEGATIVE_INFINITY, you: Number.NEGATIVE_INFINITY };

  constructor() {
    const ring = element("canvas", { class: "stage__ring" });
    const ribbon = element("canvas", { class: "ribbon__canvas" });
    this.ring = new Ring(ring);
    this.ribbon = new Ribbon(ribbon);
    this.root = element(
      "section",
      { class: "stage", "aria-label": "Call" },
      element("div", { class: "stage__portrait", "aria-hidden": "true" }, ring, element("div", { class: "stage__disc" }, this.initials)),
      element("div", { class: "stage__words" }, this.name, element("p", { class: "stage__status" }, this.time, this.status)),
      this.recorded,
      element(
        "div",
        { class: "ribbon", "aria-hidden": "true" },
        this.personaLabel,
        ribbon,
        this.youLabel,
        ...Object.values(this.palette),
      ),
    );
    new ResizeObserver(() => this.paint(performance.now())).observe(ribbon);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.refresh());
  }

  update(state: TalkState, persona: string | null): void {
    const began = state.phase === "connecting" && this.state.phase !== "connecting";
    this.state = state;
    if (began) this.ribbon.clear();
    setText(this.name, persona ?? (state.phase === "key" ? "Talk to a persona" : "\u00a0"));
    setText(this.personaLabel, persona ?? "");
    if (persona === null) {
      if (this.initials.firstElementChild === null) this.initials.replaceChildren(icon("voices", 40));
    } else setText(this.initials, initialsOf(persona));
    setText(this.status, statusLine(state, persona ?? "The persona"));
    if (state.phase === "ended") setText(this.time, durationInWords(state.seconds));
    else if (state.phase === "failed" && state.seconds !== null) setText(this.time, durationInWords(state.seconds));
    else if (state.phase === "connecting") setText(this.time, clock(0));
    else if (state.phase !== "call") setText(this.time, "");
    this.tellOfRecording(state.phase === "call" && state.recorded);
    this.root.dataset["mood"] = state.phase === "call" && state.connection === "up" ? state.persona : state.phase;
    if (state.phase !== "call") this.light(false, false);
    this.root.classList.toggle("stage--silent", this.ribbon.isEmpty && state.phase !== "call" && state.phase !== "connecting");
    this.refresh();
  }

  /** Nothing is left of either voice on ring and ribbon. */
  get atRest(): boolean {
    return this.ring.atRest && this.ribbon.atRest;
  }

  /** One frame of a running call, or of its fading. */
  frame(voices: Voices, time: number): void {
    const muted = this.state.phase === "call" && this.state.muted;
    const personaLevel = voices.persona?.level() ?? 0;
    this.ownLevel = muted ? 0 : (voices.you?.level() ?? 0);
    if (isSpeech(personaLevel)) this.spokeAt.persona = time;
    if (isSpeech(this.ownLevel)) this.spokeAt.you = time;
    if (this.state.phase === "call") {
      this.ribbon.add(personaLevel, this.ownLevel, time);
      this.light(time - this.spokeAt.persona < HOLD_MS, time - this.spokeAt.you < HOLD_MS);
      setText(this.time, clock(voices.seconds));
    }
    this.paint(time, voices);
  }

  /** Put in and taken out, so that a screen reader says it once, when it becomes true. */
  private tellOfRecording(recorded: boolean): void {
    if (recorded === this.recorded.hasChildNodes()) return;
    this.recorded.replaceChildren(...(recorded ? [recordedLight()] : []));
  }

  private refresh(): void {
    this.colours = {
      persona: getComputedStyle(this.palette.persona).color,
      you: getComputedStyle(this.palette.you).color,
      quiet: getComputedStyle(this.palette.quiet).color,
    };
    this.paint(performance.now());
  }

  private paint(time: number, voices?: Voices): void {
    this.ring.draw(this.state, this.colours, voices?.persona ?? null, voices?.you ?? null, time);
    if (this.state.phase !== "call" && this.state.phase !== "connecting") this.ribbon.fade();
    this.ribbon.draw(this.colours, time);
  }

  private light(persona: boolean, you: boolean): void {
    this.personaLabel.classList.toggle("is-speaking", persona);
    this.youLabel.classList.toggle("is-speaking", you);
  }
}

function recordedLight(): HTMLElement {
  const words = "This call is recorded";
  return element(
    "span",
    { class: "light", title: words },
    element("span", { "aria-hidden": "true" }, "Recorded"),
    element("span", { class: "visually-hidden" }, words),
  );
}
