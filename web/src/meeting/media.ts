/** Sound and pictures of a meeting: LiveKit, and nothing else knows it. Loaded on demand (`import("./media")`). */

import {
  ConnectionQuality,
  ConnectionState,
  LocalAudioTrack,
  LocalVideoTrack,
  type Participant,
  ParticipantKind,
  type RemoteTrack,
  Room,
  RoomEvent,
  setLogLevel,
  Track,
  TrackEvent,
  VideoPresets,
} from "livekit-client";
import { type Ending, endingOf } from "../call/ending";
import { CAPTURE } from "../call/microphone";
import { apologiseFor } from "../call/sorry";

setLogLevel("silent"); // what goes wrong is told to people by the page

/** Somebody as sound and picture. */
export interface Seen {
  readonly id: string;
  readonly name: string;
  readonly isSelf: boolean;
  readonly isPersona: boolean;
  readonly camera: Picture | null;
  readonly screen: Picture | null;
  readonly microphone: "on" | "off" | "none";
  readonly speaking: boolean;
  readonly weak: boolean;
}

export interface Picture {
  readonly sid: string;
  show(on: HTMLVideoElement): void;
  hide(on: HTMLVideoElement): void;
}

export interface MediaListener {
  /** Somebody came, left, spoke, muted, showed something. */
  changed(): void;
  lineIs(state: "up" | "reconnecting"): void;
  soundIs(state: "playing" | "blocked"): void;
  recordingIs(on: boolean): void;
  deviceLost(device: "microphone" | "camera"): void;
  ended(why: Ending): void;
}

export type Source = "microphone" | "camera" | "screen_share";

export class Media {
  private readonly room = new Room({
    adaptiveStream: true,
    dynacast: true,
    stopLocalTrackOnUnpublish: true,
    disconnectOnPageLeave: true,
    audioCaptureDefaults: CAPTURE,
    videoCaptureDefaults: { resolution: VideoPresets.h720.resolution },
  });
  private readonly sounds = new Map<string, HTMLMediaElement>();
  private microphone: LocalAudioTrack | null = null;
  private camera: LocalVideoTrack | null = null;
  private over = false;

  private constructor(private readonly listener: MediaListener) {}

  /** Enters the room: from then on the others are heard, from that loudspeaker if it is still there, and seen. */
  static async open(url: string, token: string, listener: MediaListener, loudspeaker: string | null): Promise<Media> {
    const media = new Media(listener);
    media.listen();
    if (loudspeaker !== null) await media.room.switchActiveDevice("audiooutput", loudspeaker).catch(() => false);
    await media.room.connect(url, token, { autoSubscribe: true });
    media.listener.recordingIs(media.room.isRecording);
    return media;
  }

  /** Shows and says what is given, as far as that is allowed. */
  async publish(microphone: MediaStreamTrack | null, camera: MediaStreamTrack | null, muted: boolean): Promise<void> {
    await Promise.all([
      microphone === null || !this.may("microphone") ? microphone?.stop() : this.publishMicrophone(microphone, muted),
      camera === null || !this.may("camera") ? camera?.stop() : this.publishCamera(camera),
    ]);
    this.listener.changed();
  }

  may(source: Source): boolean {
    const permissions = this.room.localParticipant.permissions;
    if (permissions === undefined) return true;
    const sources = permissions.canPublishSources.map((each) => Track.sourceFromProto(each));
    const wanted = { microphone: Track.Source.Microphone, camera: Track.Source.Camera, screen_share: Track.Source.ScreenShare }[source];
    return permissions.canPublish && (sources.length === 0 || sources.includes(wanted));
  }

  get sharing(): boolean {
    return this.room.localParticipant.isScreenShareEnabled;
  }

  get muted(): boolean {
    return !this.room.localParticipant.isMicrophoneEnabled;
  }

  get filming(): boolean {
    return this.room.localParticipant.isCameraEnabled;
  }

  async setMuted(muted: boolean): Promise<void> {
    if (this.microphone !== null) await (muted ? this.microphone.mute() : this.microphone.unmute());
    else await this.room.localParticipant.setMicrophoneEnabled(!muted);
  }

  async setFilming(on: boolean): Promise<void> {
    if (this.camera !== null) await (on ? this.camera.unmute() : this.camera.mute());
    else await this.room.localParticipant.setCameraEnabled(on);
  }

  async setSharing(on: boolean): Promise<void> {
    await this.room.localParticipant.setScreenShareEnabled(on, { audio: true, selfBrowserSurface: "exclude" });
  }

  /** Starts the sound a browser held back; must be called from a click. */
  async allowSound(): Promise<void> {
    await this.room.startAudio();
  }

  async leave(): Promise<void> {
    this.finish("left");
    await this.room.disconnect();
  }

  /** Everybody there, oneself first, in the order they came. */
  people(): Seen[] {
    const others = [...this.room.remoteParticipants.values()].sort((one, other) => Number(one.joinedAt ?? 0) - Number(other.joinedAt ?? 0));
    return [this.room.localParticipant, ...others].filter((each) => each.identity !== "").map((each) => this.look(each));
  }

  private look(participant: Participant): Seen {
    const microphone = participant.getTrackPublication(Track.Source.Microphone);
    const isPersona = participant.kind === ParticipantKind.AGENT;
    return {
      id: participant.identity,
      name: participant.name || participant.identity,
      isSelf: participant.isLocal,
      isPersona,
      camera: pictureOf(participant, Track.Source.Camera),
      screen: pictureOf(participant, Track.Source.ScreenShare),
      microphone: microphone === undefined ? "none" : microphone.isMuted ? "off" : "on",
      speaking: participant.isSpeaking,
      weak: [ConnectionQuality.Poor, ConnectionQuality.Lost].includes(participant.connectionQuality),
    };
  }

  private async publishMicrophone(track: MediaStreamTrack, muted: boolean): Promise<void> {
    this.microphone = new LocalAudioTrack(track, CAPTURE, false);
    this.microphone.on(TrackEvent.Ended, () => this.listener.deviceLost("microphone"));
    if (muted) await this.microphone.mute();
    await this.room.localParticipant.publishTrack(this.microphone, { source: Track.Source.Microphone });
  }

  private async publishCamera(track: MediaStreamTrack): Promise<void> {
    this.camera = new LocalVideoTrack(track, undefined, false);
    this.camera.on(TrackEvent.Ended, () => this.listener.deviceLost("camera"));
    await this.room.localParticipant.publishTrack(this.camera, { source: Track.Source.Camera, simulcast: true });
  }

  private listen(): void {
    const changed = (): void => {
      if (!this.over) this.listener.changed();
    };
    for (const event of [
      RoomEvent.ParticipantConnected,
      RoomEvent.ParticipantDisconnected,
      RoomEvent.ActiveSpeakersChanged,
      RoomEvent.TrackMuted,
      RoomEvent.TrackUnmuted,
      RoomEvent.TrackUnpublished,
      RoomEvent.LocalTrackPublished,
      RoomEvent.LocalTrackUnpublished,
      RoomEvent.ConnectionQualityChanged,
      RoomEvent.ParticipantPermissionsChanged,
      RoomEvent.ParticipantNameChanged,
    ] as const) {
      this.room.on(event, changed);
    }
    apologiseFor(this.room, () => {
      this.finish("given_up");
      void this.room.disconnect();
    });
    this.room
      .on(RoomEvent.TrackSubscribed, (track) => {
        this.play(track);
        changed();
      })
      .on(RoomEvent.TrackUnsubscribed, (track) => {
        this.silence(track);
        changed();
      })
      .on(RoomEvent.AudioPlaybackStatusChanged, () => this.listener.soundIs(this.room.canPlaybackAudio ? "playing" : "blocked"))
      .on(RoomEvent.RecordingStatusChanged, (on) => this.listener.recordingIs(on))
      .on(RoomEvent.ConnectionStateChanged, (state) => {
        if (state === ConnectionState.Reconnecting || state === ConnectionState.SignalReconnecting) this.listener.lineIs("reconnecting");
        if (state === ConnectionState.Connected) this.listener.lineIs("up");
      })
      .on(RoomEvent.Reconnected, changed)
      .on(RoomEvent.Disconnected, (reason) => this.finish(endingOf(reason)));
  }

  private play(track: RemoteTrack): void {
    if (track.kind !== Track.Kind.Audio || track.sid === undefined) return;
    const sound = track.attach();
    sound.hidden = true;
    document.body.append(sound);
    this.sounds.set(track.sid, sound);
  }

  private silence(track: RemoteTrack): void {
    if (track.sid === undefined || track.kind !== Track.Kind.Audio) return;
    track.detach();
    this.sounds.get(track.sid)?.remove();
    this.sounds.delete(track.sid);
  }

  private finish(why: Ending): void {
    if (this.over) return;
    this.over = true;
    for (const sound of this.sounds.values()) sound.remove();
    this.sounds.clear();
    this.microphone?.stop();
    this.camera?.stop();
    this.listener.ended(why);
  }
}

function pictureOf(participant: Participant, source: Track.Source): Picture | null {
  const publication = participant.getTrackPublication(source);
  const track = publication?.videoTrack;
  if (publication === undefined || publication.isMuted || track === undefined) return null;
  return {
    sid: publication.trackSid,
    show: (on) => void track.attach(on),
    hide: (on) => void track.detach(on),
  };
}
