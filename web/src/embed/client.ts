/** `Parley.call`: one call from a page, with events. LiveKit is loaded when a call begins, from the server's own origin. */

import type { Call, CallEnding, PersonaState } from "../call/call";
import { openMicrophone } from "../call/microphone";
import { type Line, Transcript } from "../call/transcript";
import { Platform, PolicyWatch } from "./platform";
import { ParleyError, problemOf } from "./problems";

export interface CallOptions {
  /** The public key, `ek_…`. */
  key: string;
  mode?: "voice" | "text";
  /** Filled into the agent's instructions. Whoever sees the page can change them. */
  variables?: Record<string, string | number | boolean>;
  /** A track to be sent instead of the default microphone. */
  microphone?: MediaStreamTrack;
  /** Origin of the Parley server; by default where the script came from. */
  server?: string;
}

export type State = "microphone" | "connecting" | "call" | "reconnecting" | "ended";
export type Ended = CallEnding | "cancelled" | "failed";

export interface TranscriptLine {
  /** Lines with the same id replace each other. */
  id: string;
  speaker: "agent" | "visitor";
  text: string;
  final: boolean;
  /** Seconds since the call began. */
  at: number;
}

export interface Events {
  state: { state: State; agent: PersonaState | null; recorded: boolean };
  transcript: TranscriptLine;
  /** Loudness of both sides, 0 to 1; about 30 times a second while one hears and is heard. */
  level: { agent: number; visitor: number };
  /** Sound is held back until somebody clicks: call `allowSound` from that click. */
  sound: { blocked: boolean };
  error: ParleyError;
  /** Once, and last. */
  ended: { reason: Ended; seconds: number };
}

type Listener<Name extends keyof Events> = (detail: Events[Name]) => void;

const LEVELS_EVERY_MS = 33;
/** Where the module with LiveKit lies on the server; written in by the build. */
declare const __PARLEY_ROOM__: string;

export class ParleyCall {
  state: State;
  muted = false;
  agent: { name: string } | null = null;
  readonly mode: "voice" | "text";
  private persona: PersonaState | null = null;
  private recorded = false;
  private call: Call | null = null;
  private readonly transcript = new Transcript();
  private readonly listeners = new Map<keyof Events, Set<Listener<never>>>();
  private readonly abort = new AbortController();
  private readonly audio: AudioContext | null;
  private typed = 0;
  private last = 0;
  private levels: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly options: CallOptions,
    private readonly server: string,
  ) {
    this.mode = options.mode ?? "voice";
    this.state = this.mode === "voice" && options.microphone === undefined ? "microphone" : "connecting";
    // Within the click: a browser lets sound begin only then.
    this.audio = this.mode === "voice" ? new AudioContext() : null;
    queueMicrotask(() => void this.run());
  }

  on<Name extends keyof Events>(event: Name, listener: Listener<Name>): () => void {
    const those = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, those.add(listener as Listener<never>));
    return () => those.delete(listener as Listener<never>);
  }

  /** Seconds since the agent's room was entered. */
  get seconds(): number {
    return this.call === null ? this.last : this.call.seconds;
  }

  get lines(): TranscriptLine[] {
    return this.transcript.lines().map(shown);
  }

  async send(text: string): Promise<void> {
    const words = text.trim();
    if (words === "" || this.call === null) return;
    const line = { segment: `typed-${++this.typed}`, speaker: "you", text: words, final: true, at: this.seconds } as const;
    await this.call.send(words);
    this.hear(line);
  }

  async mute(on = true): Promise<void> {
    this.muted = on;
    await this.call?.setMuted(on);
    this.tell();
  }

  async allowSound(): Promise<void> {
    await this.call?.allowSound();
  }

  end(): void {
    if (this.call === null) this.abort.abort();
    else void this.call.hangUp();
  }

  private async run(): Promise<void> {
    this.emit("state", this.now());
    let microphone: MediaStreamTrack | null = null;
    const policy = new PolicyWatch();
    const { signal } = this.abort;
    try {
      const loading = load(this.server);
      loading.catch(() => undefined); // it is waited for below
      if (this.mode === "voice") microphone = this.options.microphone ?? (await openMicrophone());
      signal.throwIfAborted();
      this.become("connecting");
      const platform = new Platform(this.server, this.options.key);
      const admission = await platform.admit(this.mode, this.options.variables ?? {});
      signal.throwIfAborted();
      this.agent = admission.agent;
      const { Call } = await loading;
      const call = await Call.open({ ...admission, microphone, audio: this.audio, signal, listener: this });
      this.call = call;
      if (this.muted) await call.setMuted(true);
      if (this.audio !== null) this.levels = setInterval(() => this.measure(call), LEVELS_EVERY_MS);
      this.become("call");
    } catch (error) {
      microphone?.stop();
      if (signal.aborted) this.ended("cancelled");
      else await this.fail(error, policy);
    } finally {
      policy.close();
    }
  }

  private async fail(error: unknown, policy: PolicyWatch): Promise<void> {
    let problem = problemOf(error);
    if (problem.code === "unreachable") {
      await policy.refuse().catch((forbidden: ParleyError) => (problem = forbidden));
    }
    this.emit("error", problem);
    this.ended("failed");
  }

  /** What `Call` tells; not for pages. */
  personaIs(state: PersonaState): void {
    this.persona = state;
    this.tell();
  }

  heard(line: Line): void {
    this.hear(line);
  }

  connectionIs(state: "up" | "reconnecting"): void {
    this.become(state === "up" ? "call" : "reconnecting");
  }

  soundIs(state: "playing" | "blocked"): void {
    this.emit("sound", { blocked: state === "blocked" });
  }

  microphoneIs(): void {}

  recordingIs(on: boolean): void {
    this.recorded = on;
    this.tell();
  }

  ended(reason: Ended): void {
    if (this.state === "ended") return;
    this.last = this.seconds;
    this.call = null;
    clearInterval(this.levels);
    void this.audio?.close();
    for (const line of this.transcript.settle()) this.emit("transcript", shown(line));
    this.become("ended");
    this.emit("ended", { reason, seconds: Math.round(this.last) });
  }

  private hear(line: Line): void {
    const after = this.transcript.apply(line);
    if (after !== null) this.emit("transcript", shown(after));
  }

  private measure(call: Call): void {
    this.emit("level", {
      agent: call.meter("persona")?.level() ?? 0,
      visitor: this.muted ? 0 : (call.meter("you")?.level() ?? 0),
    });
  }

  private become(state: State): void {
    if (this.state === state || this.state === "ended") return;
    this.state = state;
    this.tell();
  }

  private tell(): void {
    this.emit("state", this.now());
  }

  private now(): Events["state"] {
    return { state: this.state, agent: this.persona, recorded: this.recorded };
  }

  private emit<Name extends keyof Events>(event: Name, detail: Events[Name]): void {
    for (const listener of this.listeners.get(event) ?? []) {
      try {
        (listener as Listener<Name>)(detail);
      } catch (error) {
        reportError(error); // a page's fault must not end the call
      }
    }
  }
}

function shown(line: Line): TranscriptLine {
  const { segment, speaker, text, final, at } = line;
  return { id: segment, speaker: speaker === "you" ? "visitor" : "agent", text, final, at };
}

function load(server: string): Promise<typeof import("./room")> {
  return import(/* @vite-ignore */ `${server}/${__PARLEY_ROOM__}`) as Promise<typeof import("./room")>;
}

/** Throws for what is no embed key: an API key must not even be sent from a page. */
export function checkKey(key: string): void {
  if (/^ek_/.test(key)) return;
  const detail = "data-agent and `key` take an embed key, ek_…, never an API key.";
  throw new ParleyError({ code: "key_unknown", title: "This button is not set up", mend: "Its key must begin with ek_. Please tell the owner of this page.", detail });
}

/** Begins a call. Call it from a click: browsers open microphones and play sound only then. */
export function call(options: CallOptions, server: string): ParleyCall {
  checkKey(options.key);
  return new ParleyCall(options, new URL(options.server ?? server, location.href).origin);
}
