/** The button and its panel, in a shadow root: what a page's rules and scripts do elsewhere ends at its edge. */

import css from "virtual:embed-style";
import { clock } from "../call/transcript";
import { element, setText } from "../dom/element";
import { icon } from "./icons";
import { call, type CallOptions, checkKey, type Events, type ParleyCall, type TranscriptLine } from "./client";
import { onColour } from "./colour";
import { type Config, type Mode, Platform, type Theme } from "./platform";
import { ParleyError, problemOf } from "./problems";

export interface ButtonOptions extends Omit<CallOptions, "mode" | "microphone"> {
  mode?: Mode;
  position?: "bottom-right" | "bottom-left" | "inline";
  theme?: Theme;
  /** `#rrggbb`. */
  accent?: string;
  /** Words on the button. */
  label?: string;
  /** Where the button is put; by default the end of the page. */
  target?: Element;
  /** Shows the button as this says, and places no calls. */
  preview?: Config;
}

type View = "welcome" | "microphone" | "connecting" | "call" | "reconnecting" | "ended" | "problem";

const STATUS: Record<View, string> = {
  welcome: "",
  microphone: "Waiting for your microphone",
  connecting: "Connecting",
  call: "",
  reconnecting: "Reconnecting",
  ended: "Call ended",
  problem: "",
};
const ENDINGS: Partial<Record<Events["ended"]["reason"], string>> = {
  unanswered: "Nobody answered. Please try again in a moment.",
  lost: "The connection was lost.",
  removed: "The call was ended.",
  given_up: "Something went wrong on our side. Please try again later.",
};
const LEVEL = "--level";

/** One button on a page. Its element tells the page of everything: `parley:state`, `parley:transcript` and so on. */
export class ParleyButton {
  readonly element = document.createElement("parley-button");
  private readonly root = element("div", { class: "parley" });
  private readonly launcher = element("button", { class: "launcher", type: "button", "aria-expanded": "false" });
  private readonly panel = element("section", { class: "panel", role: "dialog", tabindex: "-1", hidden: true });
  private readonly face = element("span", { class: "face", "aria-hidden": "true" });
  private readonly name = element("div", { class: "name" });
  private readonly status = element("div", { class: "status" });
  private readonly time = element("span");
  private readonly light = element("span", { class: "light", hidden: true }, "Recorded");
  private readonly said = element("span", { role: "status" });
  private readonly body = element("div", { class: "body" });
  private readonly lines = element("ol", { class: "lines", role: "log", "aria-live": "polite", "aria-label": "Conversation" });
  private readonly foot = element("div", { class: "foot" });
  private readonly byId = new Map<string, HTMLLIElement>();
  private readonly muteButton = round("microphone", "Mute", () => void this.current?.mute(!this.current.muted));
  private readonly box = element("textarea", { class: "box", rows: "1", "aria-label": "Your message", placeholder: "Write a message", maxlength: "4000" });
  private config: Config | null = null;
  private current: ParleyCall | null = null;
  private view: View = "welcome";
  private ticking: ReturnType<typeof setInterval> | undefined;
  private again: "voice" | "text" = "voice";
  /** Somebody clicked before the server said how they may talk. */
  private isAwaited = false;

  constructor(
    private readonly options: ButtonOptions,
    private readonly server: string,
  ) {
    const shadow = this.element.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    shadow.adoptedStyleSheets = [sheet];
    this.root.dataset.position = options.position ?? "bottom-right";
    this.panel.append(
      element("header", { class: "head" }, this.face, element("div", {}, this.name, this.status), round("down", "Hide", () => this.close())),
      this.body,
      this.foot,
    );
    this.status.append(this.said, this.time, this.light);
    this.root.append(this.panel, this.launcher);
    shadow.append(this.root);
    this.launcher.addEventListener("click", () => (this.panel.hidden ? this.open() : this.close()));
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.panel.hidden) this.close();
      event.stopPropagation(); // a page's keys must not act on what is typed here
    });
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.say();
      }
    });
    this.dress();
    this.draw();
    (options.target ?? document.body).append(this.element);
    void this.learn();
  }

  /** Opens the panel; where there is only one way to speak, the call begins. */
  open(): void {
    const fresh = this.view === "welcome" && this.current === null;
    this.show(true);
    if (fresh && this.mode !== "both" && this.config !== null) this.begin(this.mode);
    else {
      this.isAwaited = fresh && this.config === null;
      this.focusFirst();
    }
  }

  /** Closes the panel; a call goes on. */
  close(): void {
    this.show(false);
    if (this.view === "ended" || this.view === "problem") this.become("welcome");
    this.launcher.focus();
  }

  /** Ends a call and takes the button off the page. */
  remove(): void {
    this.current?.end();
    clearInterval(this.ticking);
    this.element.remove();
  }

  private get mode(): Mode {
    const offered = this.config?.mode ?? "both";
    return offered === "both" ? (this.options.mode ?? "both") : offered;
  }

  private async learn(): Promise<void> {
    try {
      checkKey(this.options.key);
      this.config = this.options.preview ?? (await new Platform(this.server, this.options.key).config());
      this.dress();
      this.draw();
      const { isAwaited, mode } = this;
      this.isAwaited = false;
      if (isAwaited && mode !== "both" && !this.panel.hidden && this.view === "welcome") this.begin(mode);
    } catch (error) {
      this.fail(problemOf(error));
    }
  }

  private dress(): void {
    const { options, config } = this;
    this.root.dataset.theme = options.theme ?? config?.theme ?? "auto";
    const accent = options.accent ?? config?.accent ?? null;
    if (accent !== null && /^#[0-9a-f]{6}$/i.test(accent)) {
      this.root.style.setProperty("--action", accent);
      this.root.style.setProperty("--on-action", onColour(accent));
    }
    const who = config?.agent.name ?? "";
    setText(this.name, who);
    setText(this.face, [...who][0]?.toUpperCase() ?? "");
    this.panel.setAttribute("aria-label", who === "" ? "Conversation" : `Conversation with ${who}`);
  }

  private show(open: boolean): void {
    this.panel.hidden = !open;
    this.launcher.setAttribute("aria-expanded", String(open));
    this.draw();
  }

  private begin(mode: "voice" | "text"): void {
    this.again = mode;
    if (this.options.preview) return;
    this.byId.clear();
    this.lines.replaceChildren();
    let made: ParleyCall;
    try {
      const { key, variables, server } = this.options;
      made = call({ key, mode, ...(variables && { variables }), ...(server && { server }) }, this.server);
    } catch (error) {
      this.fail(problemOf(error));
      return;
    }
    this.current = made;
    made.on("state", (detail) => this.follow(detail));
    made.on("transcript", (line) => this.write(line));
    made.on("level", ({ agent }) => this.face.style.setProperty(LEVEL, agent.toFixed(2)));
    made.on("sound", ({ blocked }) => blocked && this.draw());
    made.on("error", (problem) => this.fail(problem));
    made.on("ended", (detail) => this.over(detail));
    for (const event of ["state", "transcript", "ended"] as const) made.on(event, (detail) => this.tell(event, detail));
    this.become(made.state === "microphone" ? "microphone" : "connecting");
    this.focusFirst();
  }

  private follow({ state, agent, recorded }: Events["state"]): void {
    this.face.dataset.agent = agent ?? "";
    this.light.hidden = !recorded;
    const muted = this.current?.muted ?? false;
    this.muteButton.setAttribute("aria-pressed", String(muted));
    this.muteButton.setAttribute("aria-label", muted ? "Unmute" : "Mute");
    this.muteButton.replaceChildren(icon(muted ? "microphoneOff" : "microphone"));
    if (state !== "ended") this.become(state);
  }

  private over({ reason, seconds }: Events["ended"]): void {
    this.current = null;
    this.face.style.setProperty(LEVEL, "0");
    if (reason === "cancelled") this.become("welcome");
    else if (reason !== "failed") {
      this.become("ended");
      setText(this.time, clock(seconds));
      const words = ENDINGS[reason];
      if (words !== undefined) this.body.append(element("p", { class: "small" }, words));
    }
  }

  private fail(problem: ParleyError): void {
    console.warn(`Parley: ${problem.message}`);
    this.tell("error", problem);
    this.become("problem");
    this.body.replaceChildren(
      element("div", { class: "notice", role: "alert" }, element("strong", {}, problem.title), element("p", {}, problem.mend)),
    );
  }

  private become(view: View): void {
    if (this.view === view) return;
    this.view = view;
    this.draw();
  }

  private draw(): void {
    const { view, config, mode } = this;
    this.panel.dataset.state = view;
    clearInterval(this.ticking);
    if (view === "call") {
      this.ticking = setInterval(() => this.tick(), 500);
      this.tick();
    } else {
      setText(this.time, "");
    }
    setText(this.said, STATUS[view]);
    this.drawLauncher();
    const inCall = view === "call" || view === "reconnecting" || view === "ended";
    if (view === "welcome") this.body.replaceChildren(this.welcome());
    else if (view !== "problem") {
      const hint = view === "microphone" ? element("p", { class: "small" }, "Your browser asks for the microphone. It is used for this call only.") : null;
      this.body.replaceChildren(...[inCall ? this.lines : null, hint].filter((part) => part !== null));
    }
    const typing = (view === "call" || view === "reconnecting") && (config?.mode !== "voice");
    const feet: HTMLElement[] = [];
    if (view === "microphone" || view === "connecting") feet.push(wide("Cancel", () => this.current?.end(), { second: true }));
    if (view === "ended") feet.push(wide(this.again === "voice" ? "Call again" : "Write again", () => this.begin(this.again)));
    if (view === "problem" && config !== null) feet.push(wide("Try again", () => this.begin(this.again)));
    if (view === "problem" && config === null) feet.push(wide("Try again", () => this.retry()));
    if (view === "call" || view === "reconnecting") {
      if (this.again === "voice") feet.push(this.muteButton);
      feet.push(typing ? this.form() : element("span", { class: "spacer" }));
      const spoken = this.again === "voice";
      feet.push(round(spoken ? "hangUp" : "stop", spoken ? "Hang up" : "End", () => this.current?.end(), "round--end"));
    }
    const focused = this.foot.contains(this.shadow.activeElement);
    this.foot.hidden = feet.length === 0;
    this.foot.replaceChildren(...feet);
    if (focused && !this.panel.hidden) this.focusFirst();
    this.name.hidden = mode === undefined;
  }

  private get shadow(): ShadowRoot {
    return this.element.shadowRoot!;
  }

  private drawLauncher(): void {
    const who = this.config?.agent.name;
    const words = this.options.label || this.config?.button || (who === undefined ? "Talk to us" : `${this.mode === "text" ? "Chat with" : "Talk to"} ${who}`);
    const open = !this.panel.hidden;
    const running = this.view === "call" || this.view === "reconnecting";
    const name = open ? "down" : this.mode === "text" ? "chat" : "voices";
    this.launcher.replaceChildren(icon(name), element("span", {}, open ? "Hide" : running ? "Back to the call" : words));
  }

  private welcome(): HTMLElement {
    const greeting = this.config?.greeting || "How would you like to talk?";
    const ways = element("div", { class: "welcome" }, element("p", {}, greeting));
    if (this.mode !== "text") ways.append(wide("Speak", () => this.begin("voice"), { with: "voices" }));
    if (this.mode !== "voice") ways.append(wide("Write", () => this.begin("text"), { with: "chat", second: this.mode === "both" }));
    ways.append(element("p", { class: "small" }, "You talk with an AI agent."));
    return ways;
  }

  private retry(): void {
    this.become("welcome");
    void this.learn();
  }

  private form(): HTMLElement {
    const form = element("form", { class: "form" }, this.box, round("send", "Send", () => this.say(), "round--send"));
    form.addEventListener("submit", (event) => event.preventDefault());
    return form;
  }

  private say(): void {
    const words = this.box.value;
    if (words.trim() === "") return;
    this.box.value = "";
    this.current?.send(words).catch(() => {
      this.box.value = words; // it did not get through
    });
  }

  private write(line: TranscriptLine): void {
    let item = this.byId.get(line.id);
    if (item === undefined) {
      item = element("li", { class: "line" });
      item.dataset.speaker = line.speaker;
      this.byId.set(line.id, item);
      this.lines.append(item);
    }
    item.dataset.final = String(line.final);
    setText(item, line.text);
    const { body } = this;
    if (body.scrollHeight - body.scrollTop - body.clientHeight < 160) body.scrollTop = body.scrollHeight;
  }

  private tick(): void {
    if (this.current !== null) setText(this.time, clock(this.current.seconds));
  }

  private focusFirst(): void {
    const typing = this.again === "text" && this.view === "call";
    const first = typing ? this.box : this.panel.querySelector<HTMLElement>(".body button, .foot button");
    (first ?? this.panel).focus();
  }

  private tell(event: string, detail: unknown): void {
    this.element.dispatchEvent(new CustomEvent(`parley:${event}`, { detail, bubbles: true, composed: true }));
  }
}

function round(name: Parameters<typeof icon>[0], label: string, act: () => void, kind = ""): HTMLButtonElement {
  const made = element("button", { class: `round ${kind}`.trim(), type: "button", "aria-label": label, title: label }, icon(name));
  made.addEventListener("click", act);
  return made;
}

function wide(words: string, act: () => void, look: { second?: boolean; with?: Parameters<typeof icon>[0] } = {}): HTMLButtonElement {
  const made = element("button", { class: look.second ? "wide wide--second" : "wide", type: "button" }, look.with ? icon(look.with) : null, words);
  made.addEventListener("click", act);
  return made;
}
