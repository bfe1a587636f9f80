/** Everything that can go wrong, in words that say what happened, why, and what mends it. */

import type { CallEnding } from "../call/call";
import { MicrophoneError } from "../call/microphone";
import { ApiError, Unreachable } from "../platform/api";

export interface Problem {
  /** Stable, for the embedding page and for tests. */
  readonly code: string;
  readonly title: string;
  readonly why: string;
  readonly mend: string;
  /** A new attempt before this many seconds would fail again. */
  readonly retryAfterSeconds: number | null;
  /** The key is what must change. */
  readonly needsKey: boolean;
}

function problem(code: string, title: string, why: string, mend: string, more: Partial<Problem> = {}): Problem {
  return { code, title, why, mend, retryAfterSeconds: null, needsKey: false, ...more };
}

export class NoPersona extends Error {
  override readonly name = "NoPersona";
  constructor(readonly wanted: string | null) {
    super("no persona");
  }
}

const microphoneProblems = {
  insecure: problem(
    "microphone_insecure",
    "This page cannot use a microphone",
    "Browsers open the microphone only to pages that came over HTTPS or from this computer.",
    "Open this page with an address that begins with https://, or with http://localhost.",
  ),
  denied: problem(
    "microphone_denied",
    "The microphone is blocked",
    "The browser or the operating system refused it for this page.",
    "Click the icon beside the page’s address, allow the microphone, then call again.",
  ),
  missing: problem(
    "microphone_missing",
    "No microphone found",
    "This device does not offer a microphone to the browser.",
    "Plug in a headset or microphone, or switch it on in the system’s sound settings, then call again.",
  ),
  busy: problem(
    "microphone_busy",
    "The microphone does not start",
    "Another program may hold it, or its driver does not answer.",
    "Close other calls and recorders, or plug the microphone in anew, then call again.",
  ),
} as const;

/** What to tell the person about an error; `persona` is the name of whom they wanted to call. */
export function problemOf(error: unknown, persona: string): Problem {
  if (error instanceof MicrophoneError) return microphoneProblems[error.trouble];
  if (error instanceof NoPersona) return noPersona(error);
  if (error instanceof ApiError) return refusalOf(error, persona);
  if (error instanceof Unreachable) {
    return problem(
      "server_unreachable",
      "The server does not answer",
      "Your network may be down, or the server is being restarted.",
      "Check your connection and try again in a moment.",
    );
  }
  return problem(
    "call_not_connected",
    "The call could not be connected",
    "The server let you in, but the voice connection did not come up. A firewall or VPN often blocks it.",
    "Try again, or from another network. Voice needs WebSockets and UDP, or TCP in its place.",
  );
}

function refusalOf(error: ApiError, persona: string): Problem {
  const retryAfterSeconds = error.retryAfterSeconds;
  if (error.status === 401) {
    return problem(
      "key_refused",
      "This key does not open the door",
      "The server does not know it, or it was revoked.",
      "Paste an active key; keys begin with “pk_”.",
      { needsKey: true },
    );
  }
  if (error.status === 429 && error.code === "QUOTA_EXCEEDED") {
    const what = error.resource === null ? "a limit of its plan" : `its plan’s limit of ${error.resource.replaceAll("_", " ")}`;
    return problem(
      "quota_exceeded",
      "All lines are taken",
      `This project has reached ${what}.`,
      "Wait until a call ends, or ask whoever runs this service for more.",
      { retryAfterSeconds },
    );
  }
  if (error.status === 429) {
    return problem(
      "rate_limited",
      "Too many attempts at once",
      "The server takes only so many requests a minute from one key.",
      "Wait a moment, then call again.",
      { retryAfterSeconds: retryAfterSeconds ?? 5 },
    );
  }
  if (error.status === 503) {
    return problem(
      "no_worker",
      `${persona} cannot take the call right now`,
      "Everyone who could answer is busy, or the service is just starting.",
      "Try again shortly; the button shows when.",
      { retryAfterSeconds: retryAfterSeconds ?? 5 },
    );
  }
  return problem(
    error.code.toLowerCase(),
    error.status >= 500 ? "The server had a fault" : "The server refused the call",
    error.message,
    error.status >= 500 ? "Try again; if it happens again, tell whoever runs this service." : "Check the address of this page and its key.",
    { retryAfterSeconds },
  );
}

function noPersona(error: NoPersona): Problem {
  return error.wanted === null
    ? problem(
        "no_persona",
        "Nobody is here to talk to yet",
        "The project of this key has no active persona.",
        "Create one with POST /api/v1/agents, or activate one, then reload this page.",
      )
    : problem(
        "persona_unknown",
        "This persona is not here",
        `The page’s address asks for persona ${error.wanted}, which this project does not have or has switched off.`,
        "Correct ?agent= in the address, or leave it out to reach the first active persona.",
      );
}

/** Endings that are nobody's wish are problems; the others are null. */
export function problemOfEnding(ending: CallEnding, persona: string): Problem | null {
  switch (ending) {
    case "unanswered":
      return problem(
        "unanswered",
        `${persona} did not answer`,
        "The call was open, but nobody joined it.",
        "Try again. If it happens again, the service has no worker running.",
      );
    case "given_up":
      return problem(
        "given_up",
        `${persona} cannot go on`,
        "Something failed on our side, and nobody could take over.",
        "Call again in a moment.",
      );
    case "lost":
      return problem(
        "connection_lost",
        "The connection was lost",
        "The network broke and did not come back in time.",
        "Check your connection, then call again.",
      );
    case "elsewhere":
      return problem(
        "joined_elsewhere",
        "The call went on elsewhere",
        "Another page joined under the same identity.",
        "Close the other page, then call again.",
      );
    case "removed":
      return problem(
        "removed",
        "The call was ended for you",
        "Whoever runs this service closed it.",
        "You may call again.",
      );
    default:
      return null;
  }
}
