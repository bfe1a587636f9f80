/** What the socket tells of a meeting, folded into what a page shows. No DOM, no network. */

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly isHost: boolean;
  readonly isBot: boolean;
  readonly muted: boolean;
  readonly hand: boolean;
}

export interface ChatLine {
  readonly key: number;
  readonly from: string;
  readonly name: string;
  readonly text: string;
  readonly at: Date;
  readonly own: boolean;
  readonly state: "sending" | "sent" | "failed";
}

export interface Caption {
  readonly speaker: string;
  readonly text: string;
  readonly final: boolean;
}

export interface Waiting {
  readonly id: string;
  readonly name: string;
}

/** What a person is told in words, once. */
export type News =
  | { readonly kind: "came" | "left" | "hand" | "waiting"; readonly name: string }
  | { readonly kind: "reaction"; readonly name: string; readonly id: string; readonly emoji: string }
  | { readonly kind: "chat"; readonly line: ChatLine }
  | { readonly kind: "recording"; readonly on: boolean }
  | { readonly kind: "locked" | "lobby"; readonly on: boolean }
  | { readonly kind: "warning"; readonly seconds: number };

const CAPTIONS = 2;
const MOST_LINES = 1_000;

export class Board {
  readonly people = new Map<string, Person>();
  chat: ChatLine[] = [];
  captions: Caption[] = [];
  waiting: Waiting[] = [];
  unread = 0;
  recording = false;
  locked = false;
  /** Whether whoever comes has to be let in. */
  waits = false;
  title = "";
  /** What the meeting allows. */
  controls: Readonly<Record<string, unknown>> = {};
  /** When the meeting ends, if that is near. */
  endsAt: number | null = null;
  me = "";
  private keys = 0;

  get self(): Person | null {
    return this.people.get(this.me) ?? null;
  }

  get isHost(): boolean {
    return this.self?.isHost ?? false;
  }

  allows(control: string): boolean {
    return this.controls[control] === true;
  }

  /** `joined`, at first and after each cut: what there is replaces what was. */
  enter(joined: Told): void {
    this.me = text(joined["participantId"]);
    const meeting = told(joined["meeting"]);
    this.title = text(meeting["title"]);
    this.locked = meeting["locked"] === true;
    this.recording = meeting["recording"] === true;
    this.controls = told(meeting["controls"]);
    this.waits = this.allows("enable_waiting_room") && !this.allows("auto_admit");
    this.people.clear();
    for (const each of list(joined["participants"])) this.put(each);
    this.waiting = list(joined["waiting"]).map((each) => ({ id: text(each["participantId"]), name: text(each["name"]) }));
  }

  /** One event; what is to be said of it, if anything. What is told twice is said once. */
  apply(event: string, data: Told): News | null {
    const id = text(data["participantId"]);
    const person = this.people.get(id);
    switch (event) {
      case "participant:joined":
        this.unwait(id);
        if (person !== undefined) return null;
        this.put(data);
        return { kind: "came", name: text(data["name"]) };
      case "participant:left":
        if (person === undefined || id === this.me) return null;
        this.people.delete(id);
        return { kind: "left", name: person.name };
      case "participant:updated":
        if (person !== undefined && typeof data["muted"] === "boolean") this.change(person, { muted: data["muted"] });
        return null;
      case "hand:raised":
      case "hand:lowered": {
        const hand = event === "hand:raised";
        if (person === undefined || person.hand === hand) return null;
        this.change(person, { hand });
        return hand ? { kind: "hand", name: person.name } : null;
      }
      case "reaction":
        return person === undefined ? null : { kind: "reaction", name: person.name, id, emoji: text(data["emoji"]) };
      case "chat:message":
        return { kind: "chat", line: this.add(id, text(data["name"]), text(data["text"]), date(data["sentAt"])) };
      case "transcript":
        this.caption({ speaker: this.speaker(text(data["speaker"])), text: text(data["text"]), final: data["final"] === true });
        return null;
      case "recording": {
        const on = data["status"] === "recording";
        if (on === this.recording) return null;
        this.recording = on;
        return { kind: "recording", on };
      }
      case "waiting":
        if (this.waiting.some((each) => each.id === id)) return null;
        this.waiting = [...this.waiting, { id, name: text(data["name"]) }];
        return { kind: "waiting", name: text(data["name"]) };
      case "waiting:left":
        this.unwait(id);
        return null;
      case "meeting:updated":
        return this.update(data);
      case "meeting:warning": {
        const seconds = Number(data["secondsLeft"]);
        if (!Number.isFinite(seconds)) return null;
        this.endsAt = Date.now() + seconds * 1_000;
        return { kind: "warning", seconds };
      }
      default:
        return null;
    }
  }

  /** One's own line, before the server has it. */
  say(words: string): ChatLine {
    const name = this.self?.name ?? "You";
    const line: ChatLine = { key: ++this.keys, from: this.me, name, text: words, at: new Date(), own: true, state: "sending" };
    this.push(line);
    return line;
  }

  settle(key: number, state: "sent" | "failed"): void {
    this.chat = this.chat.map((line) => (line.key === key ? { ...line, state } : line));
  }

  setHand(hand: boolean): void {
    const self = this.self;
    if (self !== null) this.change(self, { hand });
  }

  unwait(id: string): void {
    this.waiting = this.waiting.filter((each) => each.id !== id);
  }

  /** A persona's lines are told as the agent's, people's as the user's. */
  private speaker(said: string): string {
    const others = [...this.people.values()];
    if (said === "agent") return others.find((each) => each.id.startsWith("agent-"))?.name ?? "Persona";
    const humans = others.filter((each) => !each.isBot);
    if (said === "user") return humans.length === 1 ? (humans[0]?.name ?? "Participant") : "Participant";
    return this.people.get(said)?.name ?? said;
  }

  /** Words that are being said replace themselves until they are final. */
  private caption(caption: Caption): void {
    const others = this.captions.filter((each) => each.final || each.speaker !== caption.speaker);
    this.captions = (caption.text === "" ? others : [...others, caption]).slice(-CAPTIONS);
  }

  private add(from: string, name: string, words: string, at: Date): ChatLine {
    const line: ChatLine = { key: ++this.keys, from, name, text: words, at, own: from === this.me, state: "sent" };
    this.push(line);
    this.unread += 1;
    return line;
  }

  private push(line: ChatLine): void {
    this.chat = [...this.chat, line].slice(-MOST_LINES);
  }

  /** One of its two switches differs, or none. */
  private update(data: Told): News | null {
    const [locked, waits] = [data["locked"] === true, data["waitingRoom"] === true];
    const lockTurned = locked !== this.locked;
    const waitingTurned = waits !== this.waits;
    this.locked = locked;
    this.waits = waits;
    if (lockTurned) return { kind: "locked", on: locked };
    return waitingTurned ? { kind: "lobby", on: waits } : null;
  }

  private put(data: Told): void {
    const id = text(data["participantId"]);
    this.people.set(id, {
      id,
      name: text(data["name"]) || id,
      isHost: data["isAdmin"] === true,
      isBot: data["isBot"] === true,
      muted: data["muted"] === true,
      hand: data["handRaised"] === true,
    });
  }

  private change(person: Person, change: Partial<Person>): void {
    this.people.set(person.id, { ...person, ...change });
  }
}

export type Told = Readonly<Record<string, unknown>>;

function told(value: unknown): Told {
  return typeof value === "object" && value !== null ? (value as Told) : {};
}

function list(value: unknown): Told[] {
  return Array.isArray(value) ? value.map(told) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function date(value: unknown): Date {
  const at = new Date(text(value));
  return Number.isNaN(at.getTime()) ? new Date() : at;
}
