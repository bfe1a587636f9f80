/** What goes on in a project: rooms, calls and what is said, folded from the API's lists and the monitor's messages. */

import type { ActiveSession, OpenRoom, SpokenLine } from "../platform/api";
import type { MonitorMessage } from "../platform/monitor";
import { type Happening, happeningOf, textOf } from "./happenings";

/** The sides of a conversation as the design system knows them; `you` is the caller. */
export type Speaker = "persona" | "you" | "supervisor" | "system";

export interface Room {
  readonly fullName: string;
  readonly name: string;
  readonly open: boolean;
  /** People, telephones and personas in it. */
  readonly people: number;
  readonly session: ActiveSession | null;
}

export interface LineEntry {
  readonly kind: "line";
  readonly key: string;
  readonly room: Pick<Room, "fullName" | "name">;
  readonly speaker: Speaker;
  readonly speakerName: string;
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly final: boolean;
  /** What a line is known by to both the API and the monitor, which have no common id of it. */
  readonly said: string;
}

export interface EventEntry extends Happening {
  readonly kind: "event";
  readonly key: string;
  readonly type: string;
  readonly room: Pick<Room, "fullName" | "name"> | null;
  readonly at: number;
}

export type Entry = LineEntry | EventEntry;

export interface BoardListener {
  /** An entry that was not there before; `before` is the key of the one it precedes, null for the end. */
  added(entry: Entry, before: string | null): void;
  /** A line has other words now, and maybe another key: its final form took the place of an interim one. */
  replaced(key: string, entry: LineEntry): void;
  removed(key: string): void;
  roomsChanged(): void;
}

/** What comes with every turn is no news; the live page draws it. */
const NOT_TOLD = new Set(["persona.state", "turn.measured", "tool.used"]);
/** Entries kept in the page; the oldest ones go first. */
const KEPT = 2_000;

interface RoomState extends Room {
  /** The number of the last message about this room: what a list asked for earlier says of it is out of date. */
  readonly touched: number;
}

export class Board {
  readonly entries: Entry[] = [];
  private readonly roomsByName = new Map<string, RoomState>();
  private readonly keys = new Set<string>();
  /** Lines that the API told and the monitor not yet. */
  private readonly earlier = new Set<string>();
  /** The newest final line of each voice of a session, by its `timestamp_ms`. */
  private readonly lastFinal = new Map<string, number>();
  private messages = 0;

  constructor(
    private readonly listener: BoardListener,
    private readonly personaNames: ReadonlyMap<number, string> = new Map(),
  ) {}

  /** Open rooms, those with a call first, else by name. */
  rooms(): Room[] {
    const busy = (room: Room): number => (room.session === null ? 1 : 0);
    return [...this.roomsByName.values()].sort((one, other) => busy(one) - busy(other) || one.name.localeCompare(other.name));
  }

  room(fullName: string): Room | null {
    return this.roomsByName.get(fullName) ?? null;
  }

  /** Give this to `reconcile` with lists that are asked for now. */
  get moment(): number {
    return this.messages;
  }

  /** Takes the API's lists; about rooms that were heard of since `asked` the messages know better. */
  reconcile(rooms: readonly OpenRoom[], sessions: readonly ActiveSession[], asked: number): void {
    const sessionOf = new Map(sessions.map((session) => [session.fullRoomName, session]));
    const listed = new Map<string, Omit<Room, "open">>();
    for (const room of rooms) listed.set(room.fullName, { ...room, session: null });
    for (const [fullName, session] of sessionOf) {
      const room = listed.get(fullName) ?? { fullName, name: shortName(fullName), people: 0 };
      listed.set(fullName, { ...room, session });
    }
    for (const room of this.roomsByName.values()) {
      if (room.touched <= asked && !listed.has(room.fullName)) this.roomsByName.delete(room.fullName);
    }
    for (const room of listed.values()) {
      const known = this.roomsByName.get(room.fullName);
      if (known === undefined || known.touched <= asked) {
        this.roomsByName.set(room.fullName, { ...room, open: true, touched: known?.touched ?? 0 });
      }
    }
    this.listener.roomsChanged();
  }

  /** Takes what was said in a session before the page was there. */
  addEarlier(session: ActiveSession, lines: readonly SpokenLine[]): void {
    const room = { fullName: session.fullRoomName, name: shortName(session.fullRoomName) };
    const heard = new Set(this.entries.map((entry) => (entry.kind === "line" ? entry.said : "")));
    for (const { speaker: voice, text, timestampMs } of lines) {
      const said = saidKey(session.id, voice, timestampMs, text);
      if (heard.has(said)) continue;
      this.earlier.add(said);
      const speaker = speakerOf(voice);
      const key = `earlier:${said}`;
      const at = session.startedAt + timestampMs;
      this.insert({ kind: "line", key, room, speaker, speakerName: nameOf(speaker, session), text, at, final: true, said });
    }
  }

  apply(message: MonitorMessage): void {
    this.messages += 1;
    const fullName = textOf(message.data["full_room_name"]);
    const room = fullName === "" ? null : { fullName, name: textOf(message.data["room_name"]) || shortName(fullName) };
    if (message.type === "transcript.new") {
      if (room !== null) this.hear(message, room);
      return;
    }
    if (NOT_TOLD.has(message.type)) return;
    if (room !== null) this.changeRoom(message, room);
    const entry: EventEntry = {
      ...happeningOf(message),
      kind: "event",
      key: `event:${message.id ?? `live-${this.messages}`}`,
      type: message.type,
      room,
      at: Date.parse(message.timestamp),
    };
    this.append(entry);
  }

  private hear(message: MonitorMessage, room: Pick<Room, "fullName" | "name">): void {
    const { data } = message;
    const sessionId = Number(data["session_id"]);
    const voice = textOf(data["speaker"]);
    const timestampMs = Number(data["timestamp_ms"]);
    const interimKey = `interim:${sessionId}:${voice}`;
    const final = data["is_final"] !== false;
    // Interim lines take a shorter way than final ones: one may come after the line it was a part of.
    const side = `${sessionId}:${voice}`;
    if (!final && timestampMs <= (this.lastFinal.get(side) ?? -1)) return;
    const speaker = speakerOf(voice);
    const text = textOf(data["content"]);
    const said = saidKey(sessionId, voice, timestampMs, text);
    const line: LineEntry = {
      kind: "line",
      key: final ? `line:${message.id ?? said}` : interimKey,
      room,
      speaker,
      speakerName: nameOf(speaker, this.roomsByName.get(room.fullName)?.session ?? null),
      text,
      at: Date.parse(message.timestamp),
      final,
      said: final ? said : "",
    };
    if (text === "") {
      this.remove(interimKey); // nothing of it was heard
      return;
    }
    if (final) this.lastFinal.set(side, Math.max(timestampMs, this.lastFinal.get(side) ?? -1));
    if (final && this.earlier.delete(said)) this.remove(interimKey);
    else if (this.keys.has(interimKey)) this.replace(interimKey, line);
    else this.append(line);
  }

  private changeRoom(message: MonitorMessage, names: Pick<Room, "fullName" | "name">): void {
    const known = this.roomsByName.get(names.fullName) ?? { ...names, people: 0, session: null };
    let { people, session } = known;
    const sessionId = Number(message.data["session_id"]);
    switch (message.type) {
      case "participant.joined":
        people += 1;
        break;
      case "participant.left":
        people = Math.max(0, people - 1);
        break;
      case "session.started": {
        const agentName = this.personaNames.get(Number(message.data["agent_config_id"])) ?? null;
        session = { id: sessionId, fullRoomName: names.fullName, agentName, startedAt: Date.parse(message.timestamp) };
        break;
      }
      case "session.ended":
      case "session.failed":
        if (session?.id === sessionId) session = null;
        this.forgetSession(sessionId);
        break;
      case "room.closed":
        if (session !== null) this.forgetSession(session.id);
        this.roomsByName.delete(names.fullName);
        this.listener.roomsChanged();
        return;
    }
    this.roomsByName.set(names.fullName, { ...names, open: true, people, session, touched: this.messages });
    this.listener.roomsChanged();
  }

  /** A call is over: what nobody finished saying will not be finished. */
  private forgetSession(sessionId: number): void {
    for (const voice of ["user", "agent", "supervisor", "system"]) {
      this.remove(`interim:${sessionId}:${voice}`);
      this.lastFinal.delete(`${sessionId}:${voice}`);
    }
  }

  private append(entry: Entry): void {
    this.entries.push(entry);
    this.keys.add(entry.key);
    this.listener.added(entry, null);
    this.dropOldest();
  }

  private insert(entry: Entry): void {
    let place = this.entries.length;
    while (place > 0 && (this.entries[place - 1]?.at ?? 0) > entry.at) place -= 1;
    const before = this.entries[place]?.key ?? null;
    this.entries.splice(place, 0, entry);
    this.keys.add(entry.key);
    this.listener.added(entry, before);
    this.dropOldest();
  }

  private dropOldest(): void {
    while (this.entries.length > KEPT) {
      const oldest = this.entries[0];
      if (oldest !== undefined) this.remove(oldest.key);
    }
  }

  private replace(key: string, entry: LineEntry): void {
    const place = this.entries.findLastIndex((one) => one.key === key);
    const before = this.entries[place];
    if (before === undefined) return;
    const after = { ...entry, at: before.at };
    this.entries[place] = after;
    this.keys.delete(key);
    this.keys.add(after.key);
    this.listener.replaced(key, after);
  }

  private remove(key: string): void {
    if (!this.keys.delete(key)) return;
    const place = this.entries.findIndex((one) => one.key === key);
    this.entries.splice(place, 1);
    this.listener.removed(key);
  }
}

/** Nobody says the same twice in one millisecond. */
function saidKey(sessionId: number, voice: string, timestampMs: number, text: string): string {
  return `${sessionId}:${voice}:${timestampMs}:${text}`;
}

function shortName(fullName: string): string {
  return fullName.slice(fullName.indexOf("_") + 1);
}

function speakerOf(voice: string): Speaker {
  if (voice === "agent") return "persona";
  return voice === "user" ? "you" : voice === "supervisor" ? "supervisor" : "system";
}

function nameOf(speaker: Speaker, session: ActiveSession | null): string {
  if (speaker === "persona") return session?.agentName ?? "Persona";
  return speaker === "you" ? "Caller" : speaker === "supervisor" ? "Supervisor" : "System";
}
