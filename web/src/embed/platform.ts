/** The two operations that an embed key opens, and whom the platform knows a visitor by. */

import { blockedByPolicy, refused, unreachable, wrongOrigin } from "./problems";

export type Mode = "voice" | "text" | "both";
export type Theme = "auto" | "light" | "dark";

/** `GET /embed/config`. */
export interface Config {
  readonly agent: { readonly name: string };
  readonly mode: Mode;
  readonly theme: Theme;
  readonly accent: string | null;
  readonly button: string;
  readonly greeting: string;
}

/** `POST /embed/token`. */
export interface Admission {
  readonly token: string;
  readonly wsUrl: string;
  readonly agent: { readonly name: string };
}

const ANSWER_WITHIN_MS = 15_000;
const VISITOR = "parley.visitor";

export class Platform {
  constructor(
    /** Origin of the server, without a slash. */
    readonly server: string,
    private readonly key: string,
  ) {}

  config(): Promise<Config> {
    return this.ask("config");
  }

  admit(mode: "voice" | "text", variables: Readonly<Record<string, unknown>>): Promise<Admission> {
    return this.ask("token", { visitor: visitor(), mode, variables });
  }

  private async ask<Answer>(operation: string, body?: object): Promise<Answer> {
    const policy = new PolicyWatch();
    let response: Response;
    try {
      response = await fetch(`${this.server}/api/v1/embed/${operation}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { "X-Embed-Key": this.key, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
        body: body === undefined ? null : JSON.stringify(body),
        credentials: "omit",
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
    } catch (error) {
      await policy.refuse();
      throw await this.explain(error);
    } finally {
      policy.close();
    }
    if (response.ok) return (await response.json()) as Answer;
    throw refused({ ...(await read(response)), status: response.status, retryAfter: seconds(response.headers.get("Retry-After")) });
  }

  /** A browser hides why an answer may not be read; a server that can be reached has refused the origin. */
  private async explain(error: unknown): Promise<Error> {
    try {
      await fetch(`${this.server}/embed.js`, { mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
      return wrongOrigin();
    } catch {
      return unreachable(`${this.server} does not answer: ${String(error)}`);
    }
  }
}

/** Hears what the page's Content-Security-Policy forbids meanwhile. */
export class PolicyWatch {
  private seen: SecurityPolicyViolationEvent | null = null;
  private readonly note = (event: SecurityPolicyViolationEvent): void => {
    if (event.disposition === "enforce") this.seen ??= event;
  };

  constructor() {
    document.addEventListener("securitypolicyviolation", this.note);
  }

  /** Throws where something was forbidden. The event comes a moment after the failure it explains. */
  async refuse(): Promise<void> {
    await new Promise((later) => setTimeout(later, 50));
    if (this.seen !== null) throw blockedByPolicy(this.seen.effectiveDirective, originOf(this.seen.blockedURI));
  }

  close(): void {
    document.removeEventListener("securitypolicyviolation", this.note);
  }
}

function originOf(address: string): string {
  return URL.canParse(address) ? new URL(address).origin.replace(/^null$/, address) : address;
}

async function read(response: Response): Promise<{ code: string; error: string; rule: string | null }> {
  try {
    const { code = "", error = "", details } = (await response.json()) as { code?: string; error?: string; details?: { rule?: string } };
    return { code, error, rule: details?.rule ?? null };
  } catch {
    return { code: "", error: response.statusText, rule: null };
  }
}

function seconds(header: string | null): number | null {
  return header !== null && /^[0-9]+$/.test(header) ? Number(header) : null;
}

let own: string | null = null;

/** The same for all calls of a browser on this site, as far as the site lets anything be kept. */
export function visitor(): string {
  if (own !== null) return own;
  try {
    own = localStorage.getItem(VISITOR);
    if (own === null || !/^[A-Za-z0-9_-]{8,64}$/.test(own)) localStorage.setItem(VISITOR, (own = random()));
  } catch {
    own = random(); // the page lies in a frame that keeps nothing
  }
  return own;
}

function random(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
