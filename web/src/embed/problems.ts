/** What can go wrong on a page of another site, in words for the visitor; `detail` is for whoever built the page. */

import { MicrophoneError } from "../call/microphone";

export interface Problem {
  /** Stable, for the page. */
  readonly code: string;
  readonly title: string;
  readonly mend: string;
  /** For whoever built the page; also on the console. */
  readonly detail: string;
  /** A new attempt before this many seconds would fail again. */
  readonly retryAfter: number | null;
}

/** What `error` events carry, and what `button` and `call` throw. */
export class ParleyError extends Error implements Problem {
  override readonly name = "ParleyError";
  readonly code: string;
  readonly title: string;
  readonly mend: string;
  readonly detail: string;
  readonly retryAfter: number | null;

  constructor(problem: Partial<Problem> & Pick<Problem, "code" | "title" | "mend">) {
    super(`${problem.title}. ${problem.detail ?? problem.mend}`);
    this.code = problem.code;
    this.title = problem.title;
    this.mend = problem.mend;
    this.detail = problem.detail ?? "";
    this.retryAfter = problem.retryAfter ?? null;
  }
}

const microphone = {
  insecure: ["This page cannot use a microphone", "Open it with an address that begins with https://, then try again."],
  denied: ["The microphone is blocked", "Click the icon beside the page’s address, allow the microphone, then try again."],
  missing: ["No microphone found", "Plug one in, or switch it on in the system’s sound settings, then try again."],
  busy: ["The microphone does not start", "Close other calls and recorders, then try again."],
} as const;

/** How the platform refused. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly error: string;
  readonly rule: string | null;
  readonly retryAfter: number | null;
}

export function refused(refusal: Refusal): ParleyError {
  const told = { detail: refusal.error, retryAfter: refusal.retryAfter };
  if (refusal.rule === "origin") return wrongOrigin(refusal.error);
  if (refusal.status === 401) {
    return new ParleyError({ ...told, code: "key_unknown", title: "This button is not set up", mend: "Its key is not known. Please tell the owner of this page." });
  }
  if (refusal.rule === "inactive" || refusal.status === 404 || refusal.status === 409) {
    return new ParleyError({ ...told, code: "switched_off", title: "Nobody answers here just now", mend: "This button is switched off. Please come back later." });
  }
  if (refusal.rule === "mode") {
    return new ParleyError({ ...told, code: "mode_refused", title: "This is not offered here", mend: refusal.error });
  }
  if (refusal.status === 429) {
    const quota = refusal.code === "QUOTA_EXCEEDED" || refusal.error.startsWith("All ");
    return new ParleyError(
      quota
        ? { ...told, code: "all_busy", title: "All lines are busy", mend: "Please try again in a minute." }
        : { ...told, code: "limit_reached", title: "You have called often enough for now", mend: `Please try again ${wait(refusal.retryAfter)}.` },
    );
  }
  if (refusal.status === 503) {
    return new ParleyError({ ...told, code: "all_busy", title: "Nobody is free just now", mend: "Please try again in a moment." });
  }
  return new ParleyError({ ...told, code: "refused", title: "The call was refused", mend: "Please try again later." });
}

export function wrongOrigin(detail = ""): ParleyError {
  return new ParleyError({
    code: "origin_refused",
    title: "This page may not place calls",
    mend: "Its address is not among those its key is for. Please tell the owner of this page.",
    detail:
      detail ||
      `The key is unknown, or ${location.origin} is not among its origins: add it with PATCH /api/v1/embed-keys/{id} {"origins": […]}.`,
  });
}

export function blockedByPolicy(directive: string, address: string): ParleyError {
  return new ParleyError({
    code: "blocked_by_policy",
    title: "This page blocks the call",
    mend: "Its security policy does not let it connect. Please tell the owner of this page.",
    detail: `The page's Content-Security-Policy forbids ${address}: add it to ${directive}.`,
  });
}

export function unreachable(detail: string): ParleyError {
  return new ParleyError({
    code: "unreachable",
    title: "The call does not get through",
    mend: "Check your connection, then try again.",
    detail,
  });
}

/** Any error of a call as one that can be shown. */
export function problemOf(error: unknown): ParleyError {
  if (error instanceof ParleyError) return error;
  if (error instanceof MicrophoneError) {
    const [title, mend] = microphone[error.trouble];
    return new ParleyError({ code: `microphone_${error.trouble}`, title, mend, detail: `The microphone: ${error.trouble}` });
  }
  return unreachable(error instanceof Error ? error.message : String(error));
}

/** When another try is worth its while, in words. */
export function wait(seconds: number | null): string {
  if (seconds === null || seconds > 3000) return "in an hour";
  const minutes = Math.ceil(seconds / 60);
  return minutes <= 1 ? "in a minute" : `in ${minutes} minutes`;
}
