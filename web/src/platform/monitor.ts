/**
 * The monitor socket: every event of the project as it happens, kept open and resumed.
 *
 *   connecting ──▶ live ──▶ reconnecting ──▶ live …
 *        └───────────┴─────────────┴──▶ refused (the key is not good, or not any more)
 *
 * The socket is opened with a one-use ticket, so that the key is never in an address. After a cut it asks for what
 * came after the last event it was given: none is missing, none comes twice. Interim lines are not kept by the server
 * and may be missed.
 */

import { ApiError } from "./api";

export type Connection = "connecting" | "live" | "reconnecting";

export interface MonitorMessage {
  readonly type: string;
  /** Null for what is shown and not kept. */
  readonly id: number | null;
  readonly timestamp: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What gives a ticket for the socket. */
export interface Ticketing {
  monitorTicket(): Promise<string>;
}

export interface MonitorListener {
  connectionIs(connection: Connection): void;
  message(message: MonitorMessage): void;
  /** The key does not open the socket; it stays closed. */
  refused(why: string): void;
}

const WRONG_KEY = 4001;
const FALLEN_BEHIND = 4008;
/** The server pings every 20 s; silence for longer than two of them is a dead line that nobody closed. */
const SILENCE_MS = 45_000;
const WAITS_MS = [500, 1_000, 2_000, 3_000, 5_000] as const;

export class MonitorSocket {
  private socket: WebSocket | null = null;
  private closed = false;
  private opening = false;
  private failures = 0;
  /** Everything up to this event was shown; null before the first subscription. */
  private position: number | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private silenceTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly hurry = (): void => {
    if (this.retryTimer !== undefined && document.visibilityState !== "hidden") this.retryNow();
  };

  constructor(
    private readonly platform: Ticketing,
    private readonly listener: MonitorListener,
  ) {}

  open(): void {
    this.listener.connectionIs("connecting");
    addEventListener("online", this.hurry);
    document.addEventListener("visibilitychange", this.hurry);
    void this.connect();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.retryTimer);
    removeEventListener("online", this.hurry);
    document.removeEventListener("visibilitychange", this.hurry);
    this.letGo();
  }

  private async connect(): Promise<void> {
    if (this.closed || this.opening) return;
    this.opening = true;
    let ticket: string;
    try {
      ticket = await this.platform.monitorTicket();
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) this.refuse(error.message);
      else this.retry(error instanceof ApiError ? error.retryAfterSeconds : null);
      return;
    } finally {
      this.opening = false;
    }
    if (this.closed) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws/monitor?ticket=${encodeURIComponent(ticket)}`);
    this.socket = socket;
    this.expectSomething();
    socket.onopen = () => {
      const after = this.position === null ? {} : { after: this.position };
      socket.send(JSON.stringify({ action: "subscribe", channel: "rooms", ...after }));
    };
    socket.onmessage = (event) => this.hear(String(event.data));
    socket.onclose = (event) => {
      this.letGo();
      if (event.code === WRONG_KEY) this.refuse(event.reason);
      else if (event.code === FALLEN_BEHIND) this.retryNow();
      else this.retry(null);
    };
  }

  private hear(text: string): void {
    this.expectSomething();
    const message = JSON.parse(text) as MonitorMessage & { type: string };
    switch (message.type) {
      case "ping":
        return;
      case "subscribed":
        this.failures = 0;
        this.position ??= message.id;
        this.listener.connectionIs("live");
        return;
      case "error": // the subscription did not come about: the only thing that is ever asked
        if ("code" in message && message.code === "INVALID_REQUEST") this.position = null; // of another log
        this.letGo();
        this.retry(null);
        return;
    }
    if (message.id !== null) {
      if (this.position !== null && message.id <= this.position) return;
      this.position = message.id;
    }
    this.listener.message(message);
  }

  private expectSomething(): void {
    clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => {
      this.letGo();
      this.retryNow();
    }, SILENCE_MS);
  }

  /** Waits, a little longer after each failure; not all pages at the same moment. */
  private retry(atLeastSeconds: number | null): void {
    if (this.closed) return;
    this.listener.connectionIs("reconnecting");
    const wait = WAITS_MS[Math.min(this.failures++, WAITS_MS.length - 1)] ?? 0;
    const milliseconds = Math.max(wait * (0.75 + Math.random() / 2), (atLeastSeconds ?? 0) * 1_000);
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.retryNow(), milliseconds);
  }

  private retryNow(): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    if (this.closed) return;
    this.listener.connectionIs("reconnecting");
    void this.connect();
  }

  private refuse(why: string): void {
    this.close();
    this.listener.refused(why);
  }

  private letGo(): void {
    clearTimeout(this.silenceTimer);
    const socket = this.socket;
    this.socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
