/** Before a meeting: who one is, and whether camera and microphone do what they should. */

import { LevelMeter } from "../call/levels";
import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";
import { type Device, Devices, type Kind, wordsOf } from "./devices";

const NAME_PLACE = "parley.meeting.name";
const BARS = 9;

export interface PrejoinState {
  readonly title: string;
  readonly host: boolean;
  readonly waitingRoom: boolean;
  readonly joining: boolean;
  /** Told above the button: why it did not work. */
  readonly problem: string | null;
}

/** What somebody goes in with. */
export interface Taken {
  readonly microphone: MediaStreamTrack | null;
  readonly camera: MediaStreamTrack | null;
  readonly muted: boolean;
  /** Where the others are heard; null: where the browser plays. */
  readonly loudspeaker: string | null;
}

export class Prejoin {
  readonly root: HTMLElement;
  readonly devices = new Devices();
  readonly wants: Record<Kind, boolean> = { audio: true, video: true };

  private readonly title = element("h1", { class: "prejoin__title" });
  private readonly words = element("p", { class: "prejoin__words" });
  private readonly video = element("video", { class: "preview__video", playsinline: true, autoplay: true, muted: true, "aria-label": "Your camera" });
  private readonly still = element("p", { class: "preview__still" });
  private readonly toggles: Record<Kind, HTMLButtonElement>;
  private readonly choices: Record<Kind, HTMLSelectElement> = { audio: choice("audio"), video: choice("video") };
  private readonly fields: Record<Kind, HTMLElement>;
  private readonly loudspeaker = element("select", { class: "field__input", id: "choose-loudspeaker" });
  private readonly loudspeakerField = element(
    "div",
    { class: "field", hidden: true },
    element("label", { class: "field__label", for: "choose-loudspeaker" }, "Loudspeaker"),
    this.loudspeaker,
  );
  private readonly bars = Array.from({ length: BARS }, () => element("i", {}));
  private readonly meter = element("div", { class: "meter", role: "meter", "aria-label": "Microphone level", "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" }, ...this.bars);
  private readonly troubles = element("div", { class: "prejoin__troubles", role: "status" });
  private readonly problem = element("p", { class: "notice notice--danger prejoin__problem", role: "alert" });
  private readonly name: HTMLInputElement;
  private readonly join: HTMLButtonElement;
  private readonly joinWords = element("span");
  private level: LevelMeter | null = null;
  private audio: AudioContext | null = null;
  private frame = 0;
  private kinds: readonly Kind[] = [];
  private opening = true;
  private fixedName: string | null = null;
  private closed = false;

  constructor(joinNow: (name: string) => void) {
    this.toggles = { audio: this.toggle("audio"), video: this.toggle("video") };
    this.fields = { audio: this.field("audio", "Microphone"), video: this.field("video", "Camera") };
    this.video.muted = true;
    this.name = element("input", { class: "field__input", id: "name", name: "name", required: true, maxlength: "200", autocomplete: "name", placeholder: "Your name" });
    this.join = element("button", { class: "button button--action button--large prejoin__join", type: "submit" }, this.joinWords);
    const form = element(
      "form",
      { class: "prejoin__form" },
      this.title,
      this.words,
      element("div", { class: "field" }, element("label", { class: "field__label", for: "name" }, "Your name"), this.name),
      this.fields.audio,
      this.loudspeakerField,
      this.fields.video,
      this.troubles,
      this.problem,
      this.join,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = this.fixedName ?? this.name.value.trim();
      if (name === "" || this.join.disabled) return;
      if (this.fixedName === null) localStorage.setItem(NAME_PLACE, name);
      joinNow(name);
    });
    this.root = element(
      "main",
      { class: "prejoin" },
      element(
        "section",
        { class: "preview", "aria-label": "How you will be seen" },
        this.video,
        this.still,
        element("div", { class: "preview__foot" }, this.meter, this.toggles.audio, this.toggles.video),
      ),
      form,
    );
    this.name.value = localStorage.getItem(NAME_PLACE) ?? "";
    // A browser holds sound back until something was clicked; a meter is sound to it.
    this.root.addEventListener("pointerdown", () => void this.audio?.resume());
  }

  /** Asks for the devices that the meeting allows. */
  async open(kinds: readonly Kind[], fixedName: string | null): Promise<void> {
    this.kinds = kinds;
    this.fixedName = fixedName;
    if (fixedName !== null) {
      this.name.value = fixedName;
      this.name.readOnly = true;
    }
    for (const kind of ["audio", "video"] as const) {
      this.fields[kind].hidden = !kinds.includes(kind);
      this.toggles[kind].hidden = !kinds.includes(kind);
    }
    this.meter.hidden = !kinds.includes("audio");
    this.draw();
    await this.devices.open(kinds);
    if (this.closed) return;
    this.opening = false;
    await this.listDevices();
    this.watch();
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.listDevices());
  }

  update(state: PrejoinState): void {
    setText(this.title, state.title);
    setText(this.words, state.host ? "You are the host." : state.waitingRoom ? "The host lets you in." : "");
    this.problem.hidden = state.problem === null;
    this.problem.replaceChildren(...(state.problem === null ? [] : [icon("alert"), element("span", { class: "notice__title" }, state.problem)]));
    this.join.disabled = state.joining;
    setText(this.joinWords, state.joining ? "Joining" : state.waitingRoom && !state.host ? "Ask to join" : "Join");
  }

  /** Where fingers write, a focused field would bring up the keyboard over the picture. */
  focus(): void {
    if (matchMedia("(hover: none)").matches) return;
    (this.name.readOnly || this.name.value !== "" ? this.join : this.name).focus({ preventScroll: true });
  }

  /** Gives back what was not taken. */
  close(): void {
    this.closed = true;
    cancelAnimationFrame(this.frame);
    this.level?.close();
    this.level = null;
    void this.audio?.close();
    this.audio = null;
    this.video.srcObject = null;
    for (const kind of ["audio", "video"] as const) this.devices.close(kind);
  }

  /** What to go in with; tracks that are not wanted are stopped. */
  take(): Taken {
    const muted = !this.wants.audio;
    const microphone = this.devices.take("audio");
    const camera = this.wants.video ? this.devices.take("video") : null;
    this.close();
    return { microphone, camera, muted, loudspeaker: this.loudspeaker.value || null };
  }

  private toggle(kind: Kind): HTMLButtonElement {
    const icons = kind === "audio" ? (["microphone", "microphoneOff"] as const) : (["camera", "cameraOff"] as const);
    const button = element("button", { class: "button bar__button", type: "button" }, ...icons.map((name) => icon(name, 20)));
    button.addEventListener("click", () => void this.flip(kind));
    return button;
  }

  /** A camera that is not wanted is off, light and all. */
  private async flip(kind: Kind): Promise<void> {
    this.wants[kind] = !this.wants[kind];
    if (kind === "video" && !this.wants.video) this.devices.close("video");
    else if (this.wants[kind] && this.devices[kind].track === null) await this.devices.choose(kind, this.choices[kind].value || null);
    this.watch();
  }

  private field(kind: Kind, label: string): HTMLElement {
    this.choices[kind].addEventListener("change", () => {
      this.wants[kind] = true;
      void this.devices.choose(kind, this.choices[kind].value).then(() => this.watch());
    });
    return element("div", { class: "field" }, element("label", { class: "field__label", for: `choose-${kind}` }, label), this.choices[kind]);
  }

  private async listDevices(): Promise<void> {
    for (const kind of this.kinds) {
      const devices = await this.devices.list(kind);
      const now = this.devices[kind].track?.getSettings().deviceId;
      const options = devices.map((each) => element("option", { value: each.deviceId, selected: each.deviceId === now }, each.label));
      if (options.length === 0) options.push(element("option", { value: "" }, "None"));
      this.choices[kind].replaceChildren(...options);
      this.choices[kind].disabled = devices.length === 0;
    }
    const loudspeakers = await this.devices.loudspeakers();
    const chosen = this.loudspeaker.value;
    this.loudspeaker.replaceChildren(
      ...loudspeakers.map((each) => element("option", { value: each.deviceId, selected: each.deviceId === chosen }, each.label)),
    );
    this.loudspeakerField.hidden = loudspeakers.length < 2;
  }

  private watch(): void {
    if (this.closed) return;
    const { audio, video } = this.devices;
    this.video.srcObject = video.track === null ? null : new MediaStream([video.track]);
    this.level?.close();
    this.level = null;
    if (audio.track !== null) {
      this.audio ??= new AudioContext();
      this.level = new LevelMeter(this.audio, audio.track);
      cancelAnimationFrame(this.frame);
      this.measure();
    }
    this.draw();
  }

  private measure(): void {
    const level = this.wants.audio ? (this.level?.level() ?? 0) : 0;
    for (const [index, bar] of this.bars.entries()) bar.classList.toggle("is-lit", level * BARS > index + 0.2);
    const shown = String(Math.round(level * 10) * 10);
    if (this.meter.getAttribute("aria-valuenow") !== shown) this.meter.setAttribute("aria-valuenow", shown);
    this.frame = requestAnimationFrame(() => this.measure());
  }

  private draw(): void {
    const { audio, video } = this.devices;
    const filmed = video.track !== null && this.wants.video;
    this.video.hidden = !filmed;
    this.still.hidden = filmed;
    setText(this.still, this.stillWords(video));
    for (const kind of ["audio", "video"] as const) {
      const on = this.wants[kind] && this.devices[kind].track !== null;
      const device = kind === "audio" ? "microphone" : "camera";
      this.toggles[kind].dataset["state"] = on || this.opening ? "plain" : "warned";
      this.toggles[kind].setAttribute("aria-label", `Turn ${device} ${on ? "off" : "on"}`);
      this.toggles[kind].title = `Turn ${device} ${on ? "off" : "on"}`;
    }
    const told = this.kinds.filter((kind) => this.devices[kind].trouble !== null);
    const missing = told.length > 1 && audio.trouble === video.trouble && audio.trouble === "missing";
    const words = missing
      ? ["No camera and no microphone were found. You can join without."]
      : told.map((kind) => wordsOf(kind, this.devices[kind].trouble ?? "missing"));
    this.troubles.replaceChildren(...words.map((each) => element("p", { class: "notice" }, icon("alert"), element("span", {}, each))));
  }

  private stillWords(video: Device): string {
    if (!this.kinds.includes("video")) return "This meeting is held without cameras";
    if (this.opening) return "Allow camera and microphone when the browser asks";
    return video.trouble === null ? "Your camera is off" : "No camera";
  }
}

function choice(kind: Kind): HTMLSelectElement {
  return element("select", { class: "field__input", id: `choose-${kind}` }, element("option", { value: "" }, "Default"));
}
