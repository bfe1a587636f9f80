/**
 * One call in a LiveKit room: the microphone goes out, the persona's voice, words and state come in.
 *
 * This is the only module that knows LiveKit; pages load it on demand (`import("../call/call")`), so that
 * a page is on the screen before the client library is.
 */

import {
  LocalAudioTrack,
  ParticipantKind,
  type Participant,
  type RemoteParticipant,
  type RemoteTrack,
  Room,
  RoomEvent,
  setLogLevel,
  type TextStreamReader,
  Track,
  TrackEvent,
} from "livekit-client";
import { type Ending, endingOf } from "./ending";
import { LevelMeter } from "./levels";
import { CAPTURE } from "./microphone";
import { apologiseFor } from "./sorry";
import type { Line, Speaker } from "./transcript";

setLogLevel("warn");

export type PersonaState = "joining" | "listening" | "thinking" | "speaking" | "away";

/** How a call ends: as one's presence in its room does, or before it has begun. */
export type CallEnding = Ending | "unanswered";

export interface CallListener {
  personaIs(state: PersonaState): void;
  heard(line: Line): void;
  connectionIs(state: "up" | "reconnecting"): void;
  /** The browser holds the sound back until the person clicks something. */
  soundIs(state: "playing" | "blocked"): void;
  /** Lost: it was unplugged or taken away. The next one the browser offers is taken instead. */
  microphoneIs(state: "live" | "lost"): void;
  /** Somebody keeps the sound of this call, as the room or the persona says; told when it changes, false before. */
  recordingIs(on: boolean): void;
  /** Once, and last. */
  ended(why: CallEnding): void;
}

/** A persona joins within a second; a busy platform may need several. */
const ANSWER_WITHIN_MS = 20_000;
/** The client library alone would try for over a minute. */
const RECONNECT_WITHIN_MS = 30_000;
/** A restarted persona is back in a few seconds. The platform gives up after a minute, and says so; we wait for that. */
const RETURN_WITHIN_MS = 90_000;
/** "true" as soon as a persona's conversation is to be recorded, before LiveKit says so of the room. */
const RECORDED = "parley.recorded";

export class Call {
  private readonly room = new Room({
    adaptiveStream: false,
    dynacast: false,
    stopLocalTrackOnUnpublish: true,
    disconnectOnPageLeave: true,
    audioCaptureDefaults: CAPTURE,
  });
  private connectedAt: number | null = null;
  private readonly sounds = new Map<string, HTMLMediaElement>();
  private readonly meters = new Map<Speaker, LevelMeter>();
  private microphone: LocalAudioTrack | null = null;
  private patience: number | undefined;
  private reconnecting = false;
  private recorded = false;
  private over = false;

  private constructor(
    private readonly listener: CallListener,
    private readonly audio: AudioContext | null,
  ) {}

  /**
   * Enters the room and publishes the microphone. Whatever fails, nothing is left open.
   * Without a microphone lines are typed (`send`); without an `AudioContext` nothing is heard nor measured.
   */
  static async open(options: {
    wsUrl: string;
    token: string;
    microphone: MediaStreamTrack | null;
    audio: AudioContext | null;
    listener: CallListener;
    signal: AbortSignal;
  }): Promise<Call> {
    const call = new Call(options.listener, options.audio);
    const giveUp = (): void => void call.room.disconnect();
    options.signal.addEventListener("abort", giveUp, { once: true });
    try {
      call.listen();
      await call.room.connect(options.wsUrl, options.token, { autoSubscribe: options.audio !== null });
      call.connectedAt = performance.now();
      options.signal.throwIfAborted();
      if (options.microphone !== null) await call.publish(options.microphone);
      options.signal.throwIfAborted();
      call.expectPersona();
      return call;
    } catch (error) {
      call.over = true; // the caller hears of it through this error, not through `ended`
      call.release();
      await call.room.disconnect();
      throw error;
    } finally {
      options.signal.removeEventListener("abort", giveUp);
    }
  }

  /** Since the room was entered. */
  get seconds(): number {
    return this.connectedAt === null ? 0 : (performance.now() - this.connectedAt) / 1000;
  }

  meter(side: Speaker): LevelMeter | null {
    return this.meters.get(side) ?? null;
  }

  /** Says something in writing; the persona answers it as it answers what is spoken. */
  async send(text: string): Promise<void> {
    await this.room.localParticipant.sendText(text, { topic: "lk.chat" });
  }

  async setMuted(muted: boolean): Promise<void> {
    await (muted ? this.microphone?.mute() : this.microphone?.unmute());
  }

  /** Starts the sound a browser held back; must be called from a click. */
  async allowSound(): Promise<void> {
    await Promise.all([this.audio?.resume(), this.room.startAudio()]);
  }

  async hangUp(why: CallEnding = "left"): Promise<void> {
    this.finish(why); // at once: telling the server may take long on a broken line
    await this.room.disconnect();
  }

  private async publish(track: MediaStreamTrack): Promise<void> {
    const microphone = new LocalAudioTrack(track, CAPTURE, false);
    this.microphone = microphone;
    this.measure("you", track);
    microphone
      .on(TrackEvent.Ended, () => {
        if (!this.over) this.listener.microphoneIs("lost");
      })
      .on(TrackEvent.Restarted, () => {
        this.measure("you", microphone.mediaStreamTrack);
        this.listener.microphoneIs("live");
      });
    await this.room.localParticipant.publishTrack(microphone, { source: Track.Source.Microphone });
  }

  private listen(): void {
    this.room.registerTextStreamHandler("lk.transcription", (reader, sender) => {
      void this.read(reader, sender.identity === this.room.localParticipant.identity ? "you" : "persona");
    });
    apologiseFor(this.room, () => void this.hangUp("given_up"));
    this.room
      .on(RoomEvent.ParticipantConnected, () => this.look())
      .on(RoomEvent.ParticipantDisconnected, (left) => this.partWith(left))
      .on(RoomEvent.ParticipantAttributesChanged, () => this.look())
      .on(RoomEvent.RecordingStatusChanged, () => this.lookForRecording())
      .on(RoomEvent.TrackSubscribed, (track, _publication, from) => this.play(track, from))
      .on(RoomEvent.TrackUnsubscribed, (track) => this.silence(track))
      .on(RoomEvent.AudioPlaybackStatusChanged, () =>
        this.listener.soundIs(this.room.canPlaybackAudio ? "playing" : "blocked"),
      )
      .on(RoomEvent.Reconnecting, () => this.holdOn())
      .on(RoomEvent.SignalReconnecting, () => this.holdOn())
      .on(RoomEvent.Reconnected, () => this.goOn())
      .on(RoomEvent.Disconnected, (reason) => this.finish(endingOf(reason)));
  }

  /** Persona lines grow within one stream; each stream of the person's words replaces the one before. */
  private async read(reader: TextStreamReader, speaker: Speaker): Promise<void> {
    const attributes = reader.info.attributes ?? {};
    const segment = attributes["lk.segment_id"] ?? reader.info.id;
    const at = this.seconds;
    let text = "";
    const tell = (final: boolean): void => this.listener.heard({ segment, speaker, text, final, at });
    try {
      for await (const piece of reader) {
        text += piece;
        tell(false);
      }
    } catch {
      // The speaker left in mid-stream; what arrived is what was said.
    }
    // The closing packet may change the attributes, so they are read again here.
    tell(speaker === "persona" || reader.info.attributes?.["lk.transcription_final"] === "true");
  }

  private persona(): RemoteParticipant | null {
    for (const participant of this.room.remoteParticipants.values()) if (isPersona(participant)) return participant;
    return null;
  }

  private look(): void {
    this.lookForRecording();
    const persona = this.persona();
    if (persona === null || this.reconnecting) return;
    clearTimeout(this.patience);
    this.listener.personaIs(personaStateOf(persona.attributes["lk.agent.state"]));
  }

  /** A break of the line empties the room for a moment; what was true before it holds until the line is back. */
  private lookForRecording(): void {
    if (this.over || this.reconnecting) return;
    const personas = [...this.room.remoteParticipants.values()].filter(isPersona);
    const recorded = this.room.isRecording || personas.some((persona) => persona.attributes[RECORDED] === "true");
    if (recorded === this.recorded) return;
    this.recorded = recorded;
    this.listener.recordingIs(recorded);
  }

  private expectPersona(): void {
    if (this.persona() === null) this.wait(ANSWER_WITHIN_MS, "unanswered");
    this.look();
  }

  private partWith(left: RemoteParticipant): void {
    this.lookForRecording();
    if (!isPersona(left) || this.persona() !== null || this.reconnecting) return;
    this.missPersona();
  }

  /** Several events tell of one break; the first of them starts the clock. */
  private holdOn(): void {
    if (this.reconnecting) return;
    this.reconnecting = true;
    this.listener.connectionIs("reconnecting");
    this.wait(RECONNECT_WITHIN_MS, "lost");
  }

  private goOn(): void {
    this.reconnecting = false;
    clearTimeout(this.patience);
    this.listener.connectionIs("up");
    if (this.persona() === null) this.missPersona();
    this.look();
  }

  private missPersona(): void {
    this.listener.personaIs("away");
    this.wait(RETURN_WITHIN_MS, "over");
  }

  private wait(milliseconds: number, ending: CallEnding): void {
    clearTimeout(this.patience);
    this.patience = window.setTimeout(() => void this.hangUp(ending), milliseconds);
  }

  private play(track: RemoteTrack, from: RemoteParticipant): void {
    if (track.kind !== Track.Kind.Audio || track.sid === undefined) return;
    const sound = track.attach();
    sound.hidden = true;
    document.body.append(sound);
    this.sounds.set(track.sid, sound);
    if (isPersona(from)) this.measure("persona", track.mediaStreamTrack);
  }

  private measure(side: Speaker, track: MediaStreamTrack): void {
    this.meters.get(side)?.close();
    if (this.audio !== null) this.meters.set(side, new LevelMeter(this.audio, track));
  }

  private silence(track: RemoteTrack): void {
    if (track.sid === undefined) return;
    track.detach();
    this.sounds.get(track.sid)?.remove();
    this.sounds.delete(track.sid);
  }

  private finish(why: CallEnding): void {
    if (this.over) return;
    this.over = true;
    this.release();
    this.listener.ended(why);
  }

  private release(): void {
    clearTimeout(this.patience);
    for (const sound of this.sounds.values()) sound.remove();
    this.sounds.clear();
    for (const meter of this.meters.values()) meter.close();
    this.meters.clear();
    this.microphone?.stop();
  }
}

function isPersona(participant: Participant): boolean {
  if (participant.identity.startsWith("supervisor-")) return false; // an agent to LiveKit alone
  return participant.kind === ParticipantKind.AGENT || participant.identity.startsWith("agent-");
}

function personaStateOf(attribute: string | undefined): PersonaState {
  switch (attribute) {
    case "listening":
    case "thinking":
    case "speaking":
      return attribute;
    case "idle":
      return "listening";
    default:
      return "joining";
  }
}
