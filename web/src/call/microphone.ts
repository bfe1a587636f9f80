/** Asking for the microphone, and saying exactly why it could not be had. */

export type MicrophoneTrouble = "insecure" | "denied" | "missing" | "busy";

export class MicrophoneError extends Error {
  override readonly name = "MicrophoneError";
  constructor(readonly trouble: MicrophoneTrouble, cause?: unknown) {
    super(`microphone: ${trouble}`, { cause });
  }
}

/** A persona hears itself through the loudspeaker unless the browser takes its echo out. */
export const CAPTURE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true } as const;

export async function openMicrophone(): Promise<MediaStreamTrack> {
  if (!isSecureContext || navigator.mediaDevices === undefined) throw new MicrophoneError("insecure");
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: CAPTURE });
    const track = stream.getAudioTracks()[0];
    if (track === undefined) throw new MicrophoneError("missing");
    return track;
  } catch (error) {
    throw error instanceof MicrophoneError ? error : new MicrophoneError(troubleOf(error), error);
  }
}

export function troubleOf(error: unknown): MicrophoneTrouble {
  switch (error instanceof Error || error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    default:
      return "busy";
  }
}

/** Whether the person has decided already. Browsers that do not tell count as undecided. */
export async function microphonePermission(): Promise<PermissionState> {
  try {
    return (await navigator.permissions.query({ name: "microphone" })).state;
  } catch {
    return "prompt";
  }
}
