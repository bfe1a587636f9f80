/** Camera and microphone before a meeting: had, chosen, or missing with the reason. */

import { CAPTURE, type MicrophoneTrouble, troubleOf } from "../call/microphone";

export type Kind = "audio" | "video";

export interface Device {
  readonly track: MediaStreamTrack | null;
  /** Why there is none; null where there is one, or none was asked for. */
  readonly trouble: MicrophoneTrouble | null;
}

const NONE: Device = { track: null, trouble: null };

export class Devices {
  audio: Device = NONE;
  video: Device = NONE;

  /** Asks for all at once, so that the browser asks once; where that fails, for each by itself. */
  async open(kinds: readonly Kind[]): Promise<void> {
    if (!isSecureContext || navigator.mediaDevices === undefined) {
      for (const kind of kinds) this[kind] = { track: null, trouble: "insecure" };
      return;
    }
    if (kinds.length > 1) {
      try {
        const stream = await navigator.mediaDevices.getUserMedia({ audio: CAPTURE, video: PICTURE });
        this.audio = { track: stream.getAudioTracks()[0] ?? null, trouble: null };
        this.video = { track: stream.getVideoTracks()[0] ?? null, trouble: null };
        return;
      } catch {
        // One of them is missing or denied; which one, each says by itself.
      }
    }
    for (const kind of kinds) await this.choose(kind, null);
  }

  /** Takes another device of a kind; null is the browser's choice. */
  async choose(kind: Kind, deviceId: string | null): Promise<void> {
    this.close(kind);
    const which = deviceId === null ? {} : { deviceId: { exact: deviceId } };
    try {
      const wanted = kind === "audio" ? { audio: { ...CAPTURE, ...which } } : { video: { ...PICTURE, ...which } };
      const track = (await navigator.mediaDevices.getUserMedia(wanted)).getTracks()[0] ?? null;
      this[kind] = { track, trouble: track === null ? "missing" : null };
    } catch (error) {
      this[kind] = { track: null, trouble: troubleOf(error) };
    }
  }

  /** Those that can be chosen from; they have names once one of them was allowed. */
  async list(kind: Kind): Promise<MediaDeviceInfo[]> {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return all.filter((each) => each.kind === `${kind}input` && each.label !== "");
  }

  /** Those that sound can come from; none where the browser lets nobody choose. */
  async loudspeakers(): Promise<MediaDeviceInfo[]> {
    if (!("setSinkId" in HTMLMediaElement.prototype)) return [];
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return all.filter((each) => each.kind === "audiooutput" && each.label !== "");
  }

  close(kind: Kind): void {
    this[kind].track?.stop();
    this[kind] = NONE;
  }

  /** Hands a track over: whoever takes it stops it. */
  take(kind: Kind): MediaStreamTrack | null {
    const { track } = this[kind];
    this[kind] = NONE;
    return track;
  }
}

const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } } as const;

/** What a person can do about a device that cannot be had. */
export function wordsOf(kind: Kind, trouble: MicrophoneTrouble): string {
  const device = kind === "audio" ? "microphone" : "camera";
  switch (trouble) {
    case "insecure":
      return `The browser gives the ${device} only to pages on https.`;
    case "denied":
      return `The ${device} is blocked. Allow it in the address bar, or join without.`;
    case "missing":
      return `No ${device} was found. You can join without.`;
    case "busy":
      return `The ${device} is in use by another program, or does not start. You can join without.`;
  }
}
