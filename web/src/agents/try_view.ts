/**
 * A conversation with the agent in the page, by voice or in writing: with what is written in the editor, saved or not,
 * or with the version that callers hear. LiveKit is loaded when one begins.
 */

import type { Call, CallEnding, CallListener, PersonaState } from "../call/call";
import { openMicrophone } from "../call/microphone";
import { clock, durationInWords, Transcript } from "../call/transcript";
import { linkButton } from "../console/empty";
import { field, select } from "../console/fields";
import { mend as mendOf, notice } from "../console/problem";
import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";
import { initialsOf } from "../dom/initials";
import { type Admission, type Agent, callAgent, type Settings, tryAgent } from "../platform/agent_settings";
import { ApiError } from "../platform/api";
import { NoPersona, type Problem, problemOf, problemOfEnding } from "../talk/problems";
import { TranscriptView } from "../talk/transcript_view";
import { variablesOf, versionedOf } from "./settings";

type Way = "voice" | "text";

const STATES: Record<PersonaState, string> = {
  joining: "Calling",
  listening: "Listening",
  thinking: "Thinking",
  speaking: "Speaking",
  away: "Coming back",
};

const DRAFT = "draft";
const PUBLISHED = "published";
/** Where the API names what is wrong with the settings of a trial. */
const WITHIN = "settings.";

export interface TryOptions {
  /** All that is written in the editor, and what of it is not saved. */
  readonly written: () => { readonly settings: Settings; readonly unsaved: Settings };
  /** Opens what publishes the draft. */
  readonly publish: () => void;
  /** Hears why what is written cannot be tried. */
  readonly refused: (error: ApiError) => void;
}

export class TryView {
  readonly id = "try";
  readonly title = "Try";
  readonly root: HTMLElement;

  private agent: Agent | null = null;
  private call: Call | null = null;
  private attempt: AbortController | null = null;
  private audio: AudioContext | null = null;
  private way: Way = "voice";
  private isMuted = false;
  private ticking: ReturnType<typeof setInterval> | undefined;
  private transcript = new Transcript();
  private typed = 0;
  /** Whom its reader chose: at first what is written, where that is another. */
  private picked = DRAFT;
  private variables = new Map<string, HTMLInputElement>();

  private readonly whom = select({ id: "try-whom", label: "You talk to", choices: [] });
  private readonly which = element("div", { class: "stack" });
  private readonly given = element("div", { class: "agent-beside" });
  private readonly talk = element("button", { class: "button button--action", type: "button" }, icon("microphone", 18), "Talk");
  private readonly write = element("button", { class: "button", type: "button" }, icon("chat", 18), "Write");
  private readonly disc = element("span", { class: "try__disc", "aria-hidden": "true" });
  private readonly status = element("p", { class: "try__status", role: "status" });
  private readonly time = element("span", { class: "try__time" });
  private readonly mute = element("button", { class: "button button--small", type: "button", "aria-pressed": "false" }, "Mute");
  private readonly end = element("button", { class: "button button--danger button--small", type: "button" }, "Hang up");
  private readonly sound = element("button", { class: "button button--small", type: "button", hidden: true }, icon("sound", 16), "Let the browser play its voice");
  private readonly trouble = element("div", { role: "alert", class: "problem" });
  private readonly view = new TranscriptView();
  private readonly line = element("input", {
    class: "field__input",
    "aria-label": "Your line",
    placeholder: "Write a line",
    maxlength: "2000",
    autocomplete: "off",
    disabled: true,
  });
  private readonly send = element("button", { class: "button button--action", type: "submit", "aria-label": "Send", disabled: true }, icon("send", 18));
  private readonly after = element("div", { class: "try__after" });
  private readonly stage: HTMLElement;

  constructor(private readonly options: TryOptions) {
    const composer = element("form", { class: "try__composer" }, this.line, this.send);
    composer.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.say();
    });
    this.whom.input.addEventListener("change", () => {
      this.picked = this.whom.input.value;
      this.describe();
    });
    this.talk.addEventListener("click", () => void this.begin("voice"));
    this.write.addEventListener("click", () => void this.begin("text"));
    this.mute.addEventListener("click", () => void this.toggleMute());
    this.end.addEventListener("click", () => this.hangUp());
    this.sound.addEventListener("click", () => void this.call?.allowSound());
    this.stage = element(
      "div",
      { class: "try__stage", "data-state": "idle" },
      this.disc,
      element("div", { class: "try__words" }, this.status, this.time),
      element("div", { class: "try__acts" }, this.talk, this.write, this.sound, this.mute, this.end),
    );
    this.root = element(
      "section",
      { class: "panel section try", "aria-label": "Try the agent" },
      this.whom.root,
      this.which,
      this.given,
      this.trouble,
      this.stage,
      element("div", { class: "try__log" }, this.view.root),
      composer,
      this.after,
    );
    this.rest("Not in a conversation");
  }

  /** The agent as it was saved last. */
  show(agent: Agent): void {
    this.agent = agent;
    this.look();
  }

  start(): Promise<void> {
    return this.refresh();
  }

  refresh(): Promise<void> {
    this.look();
    return Promise.resolve();
  }

  close(): void {
    this.hangUp();
  }

  private get isBusy(): boolean {
    return this.call !== null || this.attempt !== null;
  }

  /** Whether one would talk to what is written; else it is what callers hear. */
  private get isDraft(): boolean {
    return this.whom.input.value === DRAFT;
  }

  /** Whom one can talk to, what that is, and what it asks for. */
  private look(): void {
    const { agent } = this;
    if (agent === null || this.isBusy) return;
    const { settings, unsaved } = this.options.written();
    const isPublished = agent.publishedVersion !== null;
    const differs = !isPublished || agent.hasUnpublishedChanges || Object.keys(versionedOf(unsaved)).length > 0;
    const choices = [...(differs ? [[DRAFT, "What is written under Settings"]] : []), ...(isPublished ? [[PUBLISHED, `Version ${agent.publishedVersion}, as callers do`]] : [])];
    this.whom.input.replaceChildren(...choices.map(([value = "", words = ""]) => element("option", { value, selected: value === this.picked }, words)));
    this.whom.root.hidden = choices.length < 2 || !agent.isActive;
    setText(this.disc, initialsOf(agent.name));
    this.ask(settings);
    this.describe();
    this.offer();
  }

  /** Fields for what the texts leave open. */
  private ask({ instructions, greeting, record_notice: notice }: Settings): void {
    const names = variablesOf(String(instructions ?? ""), String(greeting ?? ""), String(notice ?? ""));
    if (names.join() === [...this.variables.keys()].join()) return;
    const kept = new Map([...this.variables].map(([name, input]) => [name, input.value]));
    const fields = names.map((name) => [name, field({ id: `var-${name}`, label: name, attributes: { maxlength: "500", autocomplete: "off" } })] as const);
    for (const [name, { input }] of fields) input.value = kept.get(name) ?? "";
    this.variables = new Map(fields.map(([name, { input }]) => [name, input]));
    this.given.replaceChildren(...fields.map(([, { root }]) => root));
    this.given.hidden = names.length === 0;
  }

  /** What the choice means. */
  private describe(): void {
    const { agent } = this;
    if (agent === null) return;
    if (!agent.isActive) {
      this.which.replaceChildren(notice("plain", "It is switched off", mendOf("Switch it on under Settings, Persona, and it can be called again.")));
      return;
    }
    const hint = (words: string): HTMLElement => element("p", { class: "section__hint" }, words);
    if (!this.isDraft) {
      this.which.replaceChildren(hint(`You talk to version ${agent.publishedVersion}, as callers do.`));
      return;
    }
    const { publishedVersion: version } = agent;
    const words = version === null ? "Callers hear it once it is saved." : `Callers hear version ${version} until you publish.`;
    const publish = element("button", { class: "button button--small", type: "button" }, "Publish the draft");
    publish.addEventListener("click", this.options.publish);
    this.which.replaceChildren(
      hint(`You talk to what is written under Settings, saved or not. ${words}`),
      ...(version === null ? [] : [element("div", {}, publish)]),
    );
  }

  private async begin(way: Way): Promise<void> {
    if (this.agent === null || this.isBusy) return;
    const attempt = new AbortController();
    this.attempt = attempt;
    this.way = way;
    this.isMuted = false;
    this.transcript = new Transcript();
    this.view.clear(this.agent.name);
    this.trouble.replaceChildren();
    this.after.replaceChildren();
    // Within the click, or the browser would keep it suspended.
    this.audio = way === "voice" ? new AudioContext() : null;
    this.busy(way === "voice" ? "Waiting for your microphone" : "Connecting");
    try {
      this.call = await this.connect(this.agent, attempt.signal);
      this.ticking = setInterval(() => this.tick(), 1_000);
      this.tick();
      if (way === "voice") this.end.focus();
    } catch (error) {
      void this.audio?.close();
      this.rest("Not connected");
      if (!attempt.signal.aborted) this.explain(error, this.agent.name);
    } finally {
      this.attempt = null;
      this.offer();
    }
  }

  private async connect(agent: Agent, signal: AbortSignal): Promise<Call> {
    const library = import("../call/call");
    library.catch(() => undefined); // it is waited for below
    const microphone = this.way === "voice" ? await openMicrophone() : null;
    try {
      signal.throwIfAborted();
      this.say_("Connecting");
      const admitted = await this.admit(agent, signal);
      const { Call } = await library;
      return await Call.open({ wsUrl: admitted.wsUrl, token: admitted.token, microphone, audio: this.audio, signal, listener: this.listener() });
    } catch (error) {
      microphone?.stop();
      throw error;
    }
  }

  private async admit(agent: Agent, signal: AbortSignal): Promise<Admission> {
    const filled = [...this.variables].map(([name, input]) => [name, input.value.trim()] as const).filter(([, value]) => value !== "");
    const variables = Object.fromEntries(filled);
    if (this.isDraft) {
      const settings = versionedOf(this.options.written().unsaved);
      return tryAgent(agent.id, { mode: this.way, variables, ...(Object.keys(settings).length === 0 ? {} : { settings }) }, signal);
    }
    const admitted = await callAgent(agent.id, { identity: `console-${random()}`, room: `try-${random()}`, variables }, signal);
    if (admitted === null) throw new NoPersona(String(agent.id));
    return admitted;
  }

  private listener(): CallListener {
    return {
      personaIs: (state) => {
        this.stage.dataset["state"] = state;
        this.say_(STATES[state]);
        this.listens(state !== "joining" && state !== "away");
      },
      connectionIs: (connection) => this.say_(connection === "up" ? "Connected again" : "Reconnecting"),
      soundIs: (sound) => {
        this.sound.hidden = sound === "playing" || this.way === "text";
      },
      microphoneIs: (microphone) => {
        if (microphone === "lost") this.say_("The microphone is gone: plug it in again");
      },
      recordingIs: () => undefined,
      heard: (heard) => {
        // Lines in writing are on the page since they were sent.
        if (this.way === "text" && heard.speaker === "you") return;
        const line = this.transcript.apply(heard);
        if (line !== null) this.view.show(line);
      },
      ended: (why) => this.finish(why),
    };
  }

  private async say(): Promise<void> {
    const text = this.line.value.trim();
    if (text === "" || this.call === null) return;
    this.line.value = "";
    this.typed += 1;
    const said = this.transcript.apply({ segment: `typed-${this.typed}`, speaker: "you", text, final: true, at: this.call.seconds });
    if (said !== null) this.view.show(said);
    try {
      await this.call.send(text);
    } catch {
      this.line.value = text;
      this.say_("Not sent: the line is broken");
    }
  }

  /** A line that is sent before somebody is there to read it would be lost. */
  private listens(does: boolean): void {
    const isFirst = does && this.line.disabled;
    this.line.disabled = this.send.disabled = !does;
    if (isFirst && this.way === "text") this.line.focus();
  }

  private async toggleMute(): Promise<void> {
    this.isMuted = !this.isMuted;
    this.mute.setAttribute("aria-pressed", String(this.isMuted));
    setText(this.mute, this.isMuted ? "Unmute" : "Mute");
    await this.call?.setMuted(this.isMuted).catch(() => undefined);
  }

  private hangUp(): void {
    this.attempt?.abort();
    void this.call?.hangUp();
  }

  private finish(why: CallEnding): void {
    const seconds = this.call?.seconds ?? 0;
    const { agent } = this;
    this.call = null;
    void this.audio?.close();
    for (const line of this.transcript.settle()) this.view.show(line);
    const problem = problemOfEnding(why, agent?.name ?? "The agent");
    this.rest(`${why === "over" ? "It hung up" : "Ended"} after ${durationInWords(seconds)}`);
    if (problem !== null) this.tell(problem);
    if (agent !== null) this.after.replaceChildren(linkButton("See its conversations", `/console/sessions?agent=${agent.id}`));
    this.look();
  }

  private busy(words: string): void {
    this.say_(words);
    this.stage.dataset["state"] = "joining";
    setText(this.time, "");
    this.offer();
  }

  private rest(words: string): void {
    clearInterval(this.ticking);
    this.stage.dataset["state"] = "idle";
    this.say_(words);
    setText(this.time, "");
    this.sound.hidden = true;
    this.line.disabled = this.send.disabled = true;
    this.offer();
  }

  /** Which buttons there are. */
  private offer(): void {
    const { isBusy } = this;
    for (const button of [this.talk, this.write]) {
      button.hidden = isBusy;
      button.disabled = this.agent?.isActive !== true;
    }
    this.whom.input.disabled = isBusy;
    this.mute.hidden = !isBusy || this.way === "text" || this.call === null;
    this.end.hidden = !isBusy;
    setText(this.end, this.call === null ? "Cancel" : this.way === "text" ? "End" : "Hang up");
    if (!isBusy) {
      this.mute.setAttribute("aria-pressed", "false");
      setText(this.mute, "Mute");
    }
  }

  private tick(): void {
    if (this.call !== null) setText(this.time, clock(this.call.seconds));
  }

  private say_(words: string): void {
    setText(this.status, words);
  }

  /** What the API refuses of what is written is said beside its fields. */
  private explain(error: unknown, persona: string): void {
    const isOfSettings = error instanceof ApiError && error.fields.some(({ field: name }) => name.startsWith(WITHIN));
    if (!isOfSettings) {
      this.tell(problemOf(error, persona));
      return;
    }
    const fields = error.fields.map((each) => ({ ...each, field: each.field.replace(WITHIN, "") }));
    this.options.refused(new ApiError(error.status, error.code, error.message, error.retryAfterSeconds, error.resource, fields));
  }

  private tell({ title, why, mend }: Problem): void {
    this.trouble.replaceChildren(notice("danger", title, element("p", {}, why), mendOf(mend)));
  }
}

function random(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
