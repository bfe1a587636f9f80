/** The talk page: holds the state, does what the buttons ask, and lets every view draw the outcome. */

import type { Call, CallEnding, CallListener } from "../call/call";
import { MicrophoneError, microphonePermission, openMicrophone } from "../call/microphone";
import { durationInWords, Transcript } from "../call/transcript";
import { element, setText } from "../dom/element";
import { ApiError, type Persona, Platform } from "../platform/api";
import { forgetKey, keepKey, keptKey, takeKeyFromAddress } from "../platform/credentials";
import { platformOfSession } from "../platform/settling";
import type { Wishes } from "./address";
import { Controls } from "./controls";
import { Embedding } from "./embedding";
import { Panel } from "./panel";
import { NoPersona, problemOf, problemOfEnding } from "./problems";
import { Stage } from "./stage";
import { ANSWERED, type InCall, statusLine, type TalkState } from "./state";

/** Nothing heard for this long while the persona listens: the wrong microphone is likely. */
const SILENCE_SECONDS = 12;
const HEARD = 0.05;
const ESCAPE_TWICE_WITHIN_MS = 3_000;

const loadCall = (): Promise<typeof import("../call/call")> => import("../call/call");

/** Another page's frame has no session. */
const isFramed = (): boolean => window !== window.parent;

export class TalkPage {
  private state: TalkState = { phase: "loading" };
  private inCall: InCall = ANSWERED;
  private platform: Platform | null = null;
  private persona: Persona | null = null;
  private call: Call | null = null;
  private attempt: AbortController | null = null;
  private permission: PermissionState = "prompt";
  private transcript = new Transcript();
  private heardYou = false;
  private escapeTimer: ReturnType<typeof setTimeout> | undefined;
  private frameRequest = 0;

  private readonly stage = new Stage();
  private readonly panel: Panel;
  private readonly controls: Controls;
  private readonly embedding: Embedding;
  private readonly announcer = element("p", { class: "visually-hidden", role: "status" });

  constructor(
    root: HTMLElement,
    private readonly wishes: Wishes,
  ) {
    this.embedding = new Embedding(wishes.embedded ? wishes.parentOrigin : null);
    this.panel = new Panel({
      login: isFramed() ? null : location.pathname + location.search,
      enterKey: (key) => void this.open(key),
      copyTranscript: () => navigator.clipboard.writeText(this.transcript.toText(this.personaName)),
      allowSound: () => void this.call?.allowSound(),
    });
    this.controls = new Controls({
      call: () => void (this.persona === null ? this.open(keptKey()) : this.dial()),
      cancel: () => this.cancel(),
      hangUp: () => void this.call?.hangUp(),
      toggleMute: () => void this.toggleMute(),
    });
    root.append(element("main", { class: "talk" }, this.stage.root, this.panel.root, this.controls.root), this.announcer);
    document.addEventListener("keydown", (event) => this.onKey(event));
    addEventListener("hashchange", () => {
      const key = takeKeyFromAddress();
      if (key !== null && this.call === null && this.attempt === null) void this.open(key);
    });
  }

  async start(): Promise<void> {
    await this.open(takeKeyFromAddress() ?? keptKey());
    // The client library is fetched and ready before the person has found the button.
    requestIdleCallback?.(() => void loadCall().catch(() => undefined), { timeout: 500 });
  }

  private get personaName(): string {
    return this.persona?.name ?? "The persona";
  }

  /** Finds out whom this key can call, or without one whoever has logged in to this browser. */
  private async open(key: string | null): Promise<void> {
    this.show(this.state.phase === "key" ? { ...this.state, checking: true } : { phase: "loading" });
    try {
      const platform = key !== null ? new Platform(key) : isFramed() ? null : await platformOfSession();
      if (platform === null) {
        this.show({ phase: "key", problem: null, checking: false });
        return;
      }
      const personas = await platform.personas();
      this.persona = choose(personas, this.wishes.agent);
      this.platform = platform;
      if (key !== null) keepKey(key);
      await this.watchPermission();
      this.show({ phase: "idle", permission: this.permission });
    } catch (error) {
      this.fail(error, null);
    }
  }

  private async watchPermission(): Promise<void> {
    this.permission = await microphonePermission();
    try {
      const status = await navigator.permissions.query({ name: "microphone" });
      status.onchange = () => {
        this.permission = status.state;
        if (this.state.phase === "idle") this.show({ phase: "idle", permission: this.permission });
      };
    } catch {
      // This browser does not tell; it will ask.
    }
  }

  private async dial(): Promise<void> {
    if (this.attempt !== null || this.call !== null) return;
    const attempt = new AbortController();
    this.attempt = attempt;
    this.inCall = ANSWERED;
    this.heardYou = false;
    this.transcript = new Transcript();
    this.panel.transcript.clear(this.personaName);
    // Within the click, or the browser would keep it suspended.
    const audio = new AudioContext();
    this.show({ phase: "connecting", waitingFor: this.permission === "granted" ? "server" : "microphone" });
    try {
      const call = await this.connect(audio, attempt.signal);
      this.call = call;
      this.show(this.inCall);
      setText(this.announcer, `Connected to ${this.personaName}`);
    } catch (error) {
      void audio.close();
      if (!attempt.signal.aborted) this.fail(error, null);
    } finally {
      if (this.attempt === attempt) this.attempt = null;
    }
  }

  /** Library, microphone and admission at once; one failing stops the others' effects. */
  private async connect(audio: AudioContext, signal: AbortSignal): Promise<Call> {
    if (this.platform === null || this.persona === null) throw new NoPersona(null);
    const { platform, persona } = { platform: this.platform, persona: this.persona };
    const admit = () =>
      platform.admit({
        identity: `web-${random()}`,
        room: this.wishes.room ?? `talk-${random()}`,
        personaId: persona.id,
        variables: this.wishes.variables,
      });
    const microphone = openMicrophone();
    // A person may ponder the browser's question for long; the place they would take in the meantime is another's.
    const asked = microphone.then(() => {
      if (!signal.aborted && this.state.phase === "connecting") this.show({ phase: "connecting", waitingFor: "server" });
    });
    const admission =
      this.permission === "granted"
        ? admit()
        : asked.then(() => {
            signal.throwIfAborted();
            return admit();
          });
    try {
      const [{ Call }, track, admitted] = await Promise.all([loadCall(), microphone, admission, asked]);
      signal.throwIfAborted();
      if (!admitted.answered) throw new NoPersona(null);
      return await Call.open({
        wsUrl: admitted.wsUrl,
        token: admitted.token,
        microphone: track,
        audio,
        signal,
        listener: this.listener(audio),
      });
    } catch (error) {
      void microphone.then((track) => track.stop()).catch(() => undefined);
      throw error;
    }
  }

  private cancel(): void {
    this.attempt?.abort();
    this.attempt = null;
    if (this.state.phase === "connecting") this.show({ phase: "idle", permission: this.permission });
  }

  private listener(audio: AudioContext): CallListener {
    return {
      personaIs: (persona) => this.patch({ persona }),
      connectionIs: (connection) => {
        this.patch({ connection });
        setText(this.announcer, connection === "up" ? "Connected again" : "Connection lost, reconnecting");
      },
      soundIs: (sound) => this.patch({ sound }),
      microphoneIs: (microphone) => this.patch({ microphone }),
      recordingIs: (recorded) => this.patch({ recorded }),
      heard: (heard) => {
        const line = this.transcript.apply(heard);
        if (line === null) return;
        this.panel.transcript.show(line);
        this.embedding.line(line);
      },
      ended: (why) => {
        void audio.close();
        this.finish(why);
      },
    };
  }

  private finish(why: CallEnding): void {
    const seconds = this.call?.seconds ?? 0;
    this.call = null;
    for (const line of this.transcript.settle()) {
      this.panel.transcript.show(line);
      this.embedding.line(line);
    }
    const problem = problemOfEnding(why, this.personaName);
    if (problem === null) this.show({ phase: "ended", seconds, by: why === "over" ? "persona" : "you" });
    else this.show({ phase: "failed", problem, seconds });
    setText(this.announcer, `${statusLine(this.state, this.personaName)}, ${durationInWords(seconds)}`);
  }

  private fail(error: unknown, seconds: number | null): void {
    const problem = problemOf(error, this.personaName);
    if (error instanceof MicrophoneError && error.trouble === "denied") this.permission = "denied";
    if (error instanceof ApiError && problem.needsKey) {
      forgetKey();
      this.persona = null;
      this.show({ phase: "key", problem, checking: false });
      return;
    }
    this.show({ phase: "failed", problem, seconds });
  }

  private async toggleMute(): Promise<void> {
    if (this.call === null) return;
    const muted = !this.inCall.muted;
    this.patch({ muted });
    setText(this.announcer, muted ? "Muted" : "Unmuted");
    try {
      await this.call.setMuted(muted);
    } catch {
      this.patch({ muted: !muted, microphone: "lost" });
    }
  }

  private onKey(event: KeyboardEvent): void {
    const typing = event.target instanceof HTMLInputElement;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing) return;
    if (event.key === "Escape") this.onEscape();
    else if (event.key.toLowerCase() === "m") void this.toggleMute();
  }

  /** One stray Escape must not end a conversation. */
  private onEscape(): void {
    if (this.state.phase === "connecting") this.cancel();
    if (this.state.phase !== "call") return;
    clearTimeout(this.escapeTimer);
    if (this.inCall.leaving) {
      void this.call?.hangUp();
      return;
    }
    this.patch({ leaving: true });
    this.escapeTimer = setTimeout(() => this.patch({ leaving: false }), ESCAPE_TWICE_WITHIN_MS);
  }

  private patch(change: Partial<InCall>): void {
    this.inCall = { ...this.inCall, ...change };
    if (this.state.phase === "call") this.show(this.inCall);
  }

  private show(state: TalkState): void {
    this.state = state;
    const name = this.persona?.name ?? null;
    const page = document.documentElement.dataset;
    page["phase"] = state.phase;
    page["persona"] = state.phase === "call" ? state.persona : "";
    document.title = `${state.phase === "call" ? "● " : ""}${name ?? "Talk"} · Parley`;
    this.panel.update(state, name, this.transcript.lines().length > 0);
    this.controls.update(state, name);
    this.stage.update(state, name);
    this.embedding.state(state);
    this.animate();
  }

  /** Frames are drawn only while something moves: during a call, and after it until both voices have faded. */
  private animate(): void {
    cancelAnimationFrame(this.frameRequest);
    if (this.state.phase !== "call" && this.state.phase !== "connecting" && this.stage.atRest) return;
    this.frameRequest = requestAnimationFrame((time) => this.frame(time));
  }

  private frame(time: number): void {
    const call = this.call;
    const seconds = call?.seconds ?? 0;
    this.stage.frame({ persona: call?.meter("persona") ?? null, you: call?.meter("you") ?? null, seconds }, time);
    this.controls.showLevel(this.stage.ownLevel);
    this.listenForSilence(seconds);
    this.animate();
  }

  private listenForSilence(seconds: number): void {
    if (this.state.phase !== "call" || this.heardYou) return;
    if (this.stage.ownLevel > HEARD) {
      this.heardYou = true;
      if (this.inCall.microphone === "silent") this.patch({ microphone: "live" });
    } else if (seconds > SILENCE_SECONDS && this.inCall.microphone === "live" && this.inCall.persona === "listening") {
      this.patch({ microphone: "silent" });
    }
  }
}

function choose(personas: Persona[], wanted: string | null): Persona {
  const chosen = personas.find((persona) => persona.isActive && (wanted === null || String(persona.id) === wanted));
  if (chosen === undefined) throw new NoPersona(wanted);
  return chosen;
}

function random(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
