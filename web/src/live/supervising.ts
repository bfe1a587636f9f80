/**
 * A supervisor's sound: one connection that listens, hidden, and one that speaks where the mode wants it.
 *
 * The only module here that knows LiveKit; it is loaded with the first click that needs sound.
 */

import { DisconnectReason, LocalAudioTrack, type RemoteParticipant, type RemoteTrack, Room, RoomEvent, setLogLevel, Track } from "livekit-client";
import { LevelMeter } from "../call/levels";
import { CAPTURE, openMicrophone } from "../call/microphone";
import type { Supervised } from "../platform/supervision";

setLogLevel("warn");

export type Side = "caller" | "persona" | "supervisor";

export interface Heard {
  /** Whom the meter belongs to, as it should be called. */
  readonly name: string;
  readonly side: Side;
  readonly meter: LevelMeter;
}

export interface SoundListener {
  /** Somebody's sound came or went. */
  changed(): void;
  /** The browser holds the sound back until the person clicks something. */
  blocked(isBlocked: boolean): void;
  /** The line is lost for good, or was taken by another window. */
  over(why: "elsewhere" | "lost" | "closed"): void;
  voiceLost(): void;
}

export class Sound {
  readonly heard = new Map<string, Heard>();
  private readonly audio = new AudioContext();
  private readonly sounds = new Map<string, HTMLMediaElement>();
  private ear: Room | null = null;
  private voice: Room | null = null;
  private voiceRoom = "";
  private ownVoice = "";
  private microphone: LocalAudioTrack | null = null;
  private isClosed = false;

  constructor(private readonly listener: SoundListener) {}

  /** Hears the room. Throws what LiveKit throws. */
  async listen(answer: Supervised): Promise<void> {
    if (this.ear !== null || answer.token === null) return;
    const room = new Room({ adaptiveStream: false, dynacast: false, disconnectOnPageLeave: true });
    this.ear = room;
    this.ownVoice = `${answer.supervisor ?? ""}-voice`;
    room
      .on(RoomEvent.TrackSubscribed, (track, _, from) => this.play(track, from))
      .on(RoomEvent.TrackUnsubscribed, (track) => this.silence(track.sid ?? ""))
      .on(RoomEvent.AudioPlaybackStatusChanged, () => this.listener.blocked(!room.canPlaybackAudio))
      .on(RoomEvent.Disconnected, (reason) => {
        if (this.isClosed) return;
        const isGone = reason === DisconnectReason.ROOM_DELETED || reason === DisconnectReason.ROOM_CLOSED;
        this.listener.over(reason === DisconnectReason.DUPLICATE_IDENTITY ? "elsewhere" : isGone ? "closed" : "lost");
      });
    await room.connect(answer.wsUrl, answer.token, { autoSubscribe: true });
    if (this.isClosed) await room.disconnect();
    else this.listener.blocked(!room.canPlaybackAudio);
  }

  /** Takes the microphone to where the mode wants it. Throws `MicrophoneError` and what LiveKit throws. */
  async speak(answer: Supervised): Promise<void> {
    const { voice } = answer;
    if (voice !== null && this.voice !== null && voice.room === this.voiceRoom) {
      await this.microphone?.unmute(); // in a new mode it is on
      return;
    }
    await this.fallSilent();
    if (voice === null || this.isClosed) return;
    const track = await openMicrophone();
    if (this.isClosed) {
      track.stop();
      return;
    }
    const microphone = new LocalAudioTrack(track, CAPTURE, false);
    const room = new Room({ stopLocalTrackOnUnpublish: true, disconnectOnPageLeave: true });
    this.voice = room;
    this.voiceRoom = voice.room;
    this.microphone = microphone;
    room.on(RoomEvent.Disconnected, () => {
      if (this.voice === room && !this.isClosed) {
        void this.fallSilent();
        this.listener.voiceLost();
      }
    });
    try {
      await room.connect(answer.wsUrl, voice.token, { autoSubscribe: false });
      if (this.voice === room) await room.localParticipant.publishTrack(microphone, { source: Track.Source.Microphone });
    } catch (error) {
      await this.fallSilent();
      throw error;
    }
    if (this.voice !== room) {
      await room.disconnect(); // it was closed meanwhile
      return;
    }
    this.heard.set("me", { name: "You", side: "supervisor", meter: new LevelMeter(this.audio, track) });
    this.listener.changed();
  }

  async setMuted(isMuted: boolean): Promise<void> {
    await (isMuted ? this.microphone?.mute() : this.microphone?.unmute());
  }

  /** Starts the sound a browser held back; must be called from a click. */
  async allow(): Promise<void> {
    await Promise.all([this.audio.resume(), this.ear?.startAudio()]);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.fallSilent();
    for (const sid of [...this.sounds.keys()]) this.silence(sid);
    await this.ear?.disconnect();
    this.ear = null;
    await this.audio.close();
  }

  private async fallSilent(): Promise<void> {
    const { voice } = this;
    this.voice = null;
    this.voiceRoom = "";
    this.microphone?.stop();
    this.microphone = null;
    this.heard.get("me")?.meter.close();
    if (this.heard.delete("me")) this.listener.changed();
    await voice?.disconnect();
  }

  private play(track: RemoteTrack, from: RemoteParticipant): void {
    if (track.kind !== Track.Kind.Audio || track.sid === undefined) return;
    if (from.identity === this.ownVoice) return;
    const sound = track.attach();
    sound.hidden = true;
    document.body.append(sound);
    this.sounds.set(track.sid, sound);
    const side: Side = from.identity.startsWith("agent-") ? "persona" : from.identity.startsWith("supervisor-") ? "supervisor" : "caller";
    const name = from.name || from.identity.replace(/^sip_/, "");
    this.heard.set(track.sid, { name, side, meter: new LevelMeter(this.audio, track.mediaStreamTrack) });
    this.listener.changed();
  }

  private silence(sid: string): void {
    this.sounds.get(sid)?.remove();
    this.sounds.delete(sid);
    this.heard.get(sid)?.meter.close();
    if (this.heard.delete(sid)) this.listener.changed();
  }
}
