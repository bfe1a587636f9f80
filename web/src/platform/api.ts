/** The public API, as far as the pages use it. */

export interface Persona {
  id: number;
  name: string;
  isActive: boolean;
}

/** What a caller needs to enter a room. */
export interface Admission {
  token: string;
  room: string;
  wsUrl: string;
  /** False: nobody will answer, because the project has no active persona. */
  answered: boolean;
}

export interface OpenRoom {
  /** LiveKit's name, the project's slug in front. */
  fullName: string;
  name: string;
  people: number;
}

/** A call that goes on. Moments are milliseconds since 1970. */
export interface ActiveSession {
  id: number;
  fullRoomName: string;
  agentName: string | null;
  startedAt: number;
}

export interface SpokenLine {
  speaker: string;
  text: string;
  /** From the start of the session. */
  timestampMs: number;
}

/** The platform answered, and the answer was no. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfterSeconds: number | null,
    readonly resource: string | null,
    /** What is wrong with which field of the request, where that is what the answer says. */
    readonly fields: readonly { readonly field: string; readonly problem: string; readonly code?: string }[] = [],
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** No answer at all: the network, the server's address, or a proxy in between. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

const ANSWER_WITHIN_MS = 15_000;

export class Platform {
  private readonly headers: Readonly<Record<string, string>>;

  /** With a key, or with what else requests must bring: nothing but the session's cookie, or its project beside it. */
  constructor(by: string | Readonly<Record<string, string>>) {
    this.headers = typeof by === "string" ? { "X-API-Key": by } : by;
  }

  async personas(): Promise<Persona[]> {
    const answer = (await this.ask("GET", "/api/v1/agents")) as { agents: Record<string, unknown>[] };
    return answer.agents.map((row) => ({
      id: Number(row["id"]),
      name: String(row["name"]),
      isActive: row["is_active"] !== false,
    }));
  }

  async admit(request: {
    identity: string;
    room: string;
    personaId: number;
    variables: Readonly<Record<string, string>>;
  }): Promise<Admission> {
    const answer = (await this.ask("POST", "/api/v1/token", {
      identity: request.identity,
      room: request.room,
      agent_config_id: request.personaId,
      variables: request.variables,
    })) as { token: string; room: string; wsUrl: string; agents_dispatched?: unknown[] };
    return {
      token: answer.token,
      room: answer.room,
      wsUrl: answer.wsUrl,
      answered: (answer.agents_dispatched?.length ?? 0) > 0,
    };
  }

  /** The rooms that are open now. */
  async rooms(): Promise<OpenRoom[]> {
    const answer = (await this.ask("GET", "/api/v1/rooms")) as { rooms: Record<string, unknown>[] };
    return answer.rooms.map((row) => ({
      fullName: String(row["fullName"]),
      name: String(row["name"]),
      people: Number(row["numParticipants"]),
    }));
  }

  /** The calls that go on, the newest hundred. */
  async activeSessions(): Promise<ActiveSession[]> {
    const answer = (await this.ask("GET", "/api/v1/sessions?status=active&per_page=100")) as {
      sessions: Record<string, unknown>[];
    };
    return answer.sessions.map((row) => ({
      id: Number(row["id"]),
      fullRoomName: String(row["room_name"]),
      agentName: typeof row["agent_name"] === "string" ? row["agent_name"] : null,
      startedAt: Date.parse(String(row["started_at"])),
    }));
  }

  /** What was said in a session so far. */
  async transcript(sessionId: number): Promise<SpokenLine[]> {
    const answer = (await this.ask("GET", `/api/v1/sessions/${sessionId}/transcript`)) as {
      transcripts: Record<string, unknown>[];
    };
    return answer.transcripts.map((row) => ({
      speaker: String(row["speaker"]),
      text: String(row["content"]),
      timestampMs: Number(row["timestamp_ms"]),
    }));
  }

  /** Opens one monitor socket within a minute. */
  async monitorTicket(): Promise<string> {
    const answer = (await this.ask("POST", "/api/v1/monitor/tickets")) as { ticket: string };
    return answer.ticket;
  }

  private ask(method: string, path: string, body?: unknown): Promise<unknown> {
    return send(method, path, this.headers, body);
  }
}

/** One request; its answer, waited for `within` milliseconds, read from JSON. Throws `ApiError` or `Unreachable`, and what `signal` was ended with. */
export async function send(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
  signal?: AbortSignal,
  within = ANSWER_WITHIN_MS,
): Promise<unknown> {
  const late = AbortSignal.timeout(within);
  const request: RequestInit = { method, headers: { ...headers }, signal: signal === undefined ? late : AbortSignal.any([signal, late]) };
  if (body !== undefined) {
    request.headers = { ...headers, "Content-Type": "application/json" };
    request.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(path, request);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new Unreachable(`no answer from ${path}`, { cause });
  }
  const answer = await answerOf(response);
  signal?.throwIfAborted();
  if (!response.ok) throw refusal(response, answer);
  if (answer === null) throw new Unreachable(`${path} did not answer in JSON`);
  return answer;
}

/** What an answer says: nothing, where its body is empty; null, where it broke off or is no JSON. */
async function answerOf(response: Response): Promise<unknown> {
  try {
    const text = await response.text();
    return text === "" && response.ok ? {} : (JSON.parse(text) as unknown);
  } catch {
    return null;
  }
}

/** The error of an answer that was no success. */
export function refusal(response: { status: number; headers: Headers }, answer: unknown): ApiError {
  const body = (answer ?? {}) as {
    error?: unknown;
    code?: unknown;
    retry_after?: unknown;
    details?: { resource?: unknown; fields?: unknown };
  };
  const seconds = Number(response.headers.get("Retry-After") ?? body.retry_after ?? Number.NaN);
  return new ApiError(
    response.status,
    typeof body.code === "string" ? body.code : "UNKNOWN",
    typeof body.error === "string" ? body.error : `The server answered ${response.status}.`,
    Number.isFinite(seconds) ? Math.max(1, Math.ceil(seconds)) : null,
    typeof body.details?.resource === "string" ? body.details.resource : null,
    Array.isArray(body.details?.fields) ? (body.details.fields as ApiError["fields"]) : [],
  );
}
