/** The monitor page: a session or a key opens it, a socket keeps it live, and every view draws what the board says. */

import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";
import { KeyForm } from "../dom/key_form";
import { ApiError, Platform } from "../platform/api";
import { forgetKey, keepKey, keptKey, takeKeyFromAddress } from "../platform/credentials";
import { type Connection, MonitorSocket } from "../platform/monitor";
import { platformOfSession } from "../platform/settling";
import { Board, type Room } from "./board";
import { FeedView } from "./feed_view";
import { factsOf, RoomsView } from "./rooms_view";

/** Lists are asked for soon after something changed, but not more often than this: a key has only so many requests. */
const LISTS_SOON_MS = 1_500;
const LISTS_APART_MS = 10_000;
const LISTS_ANYWAY_MS = 60_000;
/** Calls whose words from before the page are fetched at its opening; of others, when their room is chosen. */
const EARLIER_AT_ONCE = 8;
/** Until a server is asked again who is here that could not tell. */
const WHO_AGAIN_MS = 3_000;

const WRONG_KEY = "The server does not know it, or it was revoked. Keys begin with “pk_”.";

type Phase = "key" | Connection;

const phases: Record<Phase, string> = {
  key: "Not connected",
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
};

export class MonitorPage {
  private platform: Platform | null = null;
  private socket: MonitorSocket | null = null;
  private board: Board;
  private personaNames: ReadonlyMap<number, string> = new Map();
  private chosen: Room | null = null;
  /** Sessions whose words from before the page are there. */
  private readonly fetched = new Set<number>();
  private listsTimer: ReturnType<typeof setTimeout> | undefined;
  private listsAt = 0;
  private listsKnown = false;
  /** Goes up with each beginning: what an earlier one waited for comes too late. */
  private attempt = 0;
  private whoTimer: ReturnType<typeof setTimeout> | undefined;

  private readonly state = element("p", { class: "state", role: "status" });
  private readonly talk = element("a", { class: "button button--quiet", target: "_blank", rel: "noopener" });
  private readonly rooms = new RoomsView((fullName) => this.choose(fullName));
  private readonly feed = new FeedView();
  private readonly title = element("h1", { class: "scene__title" });
  private readonly facts = element("p", { class: "scene__facts" });
  private readonly form = new KeyForm((key) => void this.enterBy(key), "/monitor");
  private readonly problem = element("div", { class: "door__problem", role: "alert" });
  private readonly door: HTMLElement;
  private readonly main: HTMLElement;

  constructor(root: HTMLElement) {
    this.board = this.newBoard();
    this.talk.append(icon("phone", 16), "Talk");
    this.door = element(
      "main",
      { class: "door" },
      element(
        "section",
        { class: "door__panel panel", "aria-label": "Who you are" },
        element("header", { class: "door__head" }, element("h1", {}, "Monitor"), element("p", {}, "Rooms, calls and what is said, as it happens.")),
        this.problem,
        this.form.root,
      ),
    );
    this.main = element(
      "main",
      { class: "monitor" },
      this.rooms.root,
      element(
        "section",
        { class: "scene panel", "aria-labelledby": "scene-title" },
        element("header", { class: "scene__head" }, this.title, this.facts),
        this.feed.root,
      ),
    );
    this.title.id = "scene-title";
    const mark = element("span", { class: "mark", "aria-hidden": "true" });
    const name = element("span", { class: "masthead__page" }, "Monitor");
    root.append(element("header", { class: "masthead" }, mark, "Parley", name, this.state, this.talk), this.door, this.main);
    addEventListener("hashchange", () => {
      const key = takeKeyFromAddress();
      if (key !== null) void this.enterBy(key);
    });
    setInterval(() => this.tick(), 1_000);
  }

  /** By the key of the tab, else by the session of the browser; else a key is asked for. */
  async start(): Promise<void> {
    const [given, kept] = [takeKeyFromAddress(), keptKey()];
    this.show("connecting");
    this.choose(null);
    if (given !== null) await this.enterBy(given);
    else if (kept !== null) await this.enter(new Platform(kept), kept, (why) => this.enterBySession(why));
    else {
      this.main.hidden = true; // until it is known whether there is a session
      await this.enterBySession(null);
    }
  }

  private async enterBy(key: string): Promise<void> {
    this.form.update({ checking: true, refused: false });
    await this.enter(new Platform(key), key);
  }

  /** `why` the tab's key was refused, which would have come first. */
  private async enterBySession(why: string | null): Promise<void> {
    this.leave();
    const { attempt } = this;
    let platform: Platform | null;
    try {
      platform = await platformOfSession();
    } catch (error) {
      if (attempt !== this.attempt) return;
      console.warn(error);
      this.show("reconnecting"); // a server that is away comes back
      this.whoTimer = setTimeout(() => void this.enterBySession(why), WHO_AGAIN_MS);
      return;
    }
    if (attempt !== this.attempt) return; // a key came in the meantime
    if (platform === null) {
      this.ask(why === null ? null : refusal("This key does not open the door", why));
      return;
    }
    this.show("connecting");
    await this.enter(platform, null);
  }

  /**
   * Begins anew. Only whoever is refused is asked again who they are: a server that is away comes back.
   * `otherwise`: what is done instead of asking where the server does not know the key.
   */
  private async enter(platform: Platform, key: string | null, otherwise?: (why: string) => Promise<void>): Promise<void> {
    this.leave();
    this.platform = platform;
    try {
      const personas = await platform.personas();
      if (this.platform !== platform) return; // another key came in the meantime
      this.personaNames = new Map(personas.map(({ id, name }) => [id, name]));
    } catch (error) {
      if (this.platform !== platform) return;
      if (error instanceof ApiError && error.status === 401) {
        forgetKey();
        if (otherwise === undefined) this.refuse(key, WRONG_KEY);
        else await otherwise(WRONG_KEY);
        return;
      }
      this.personaNames = new Map(); // the lists of sessions bring names, too
    }
    if (key !== null) keepKey(key);
    this.board = this.newBoard();
    this.choose(null);
    this.talk.href = talkAddress(key);
    this.socket = new MonitorSocket(platform, {
      connectionIs: (connection) => this.connectionIs(connection),
      message: (message) => {
        this.board.apply(message);
        if (message.type !== "transcript.new") this.listSoon();
        if (message.type === "transcript.new" || this.feed.isEmpty) this.explain();
      },
      refused: (why) => this.refuse(key, why),
    });
    this.socket.open();
  }

  /** Asks who is here, and says `why` the key is not good; of a session, which has none, that it is over. */
  private refuse(key: string | null, why: string): void {
    forgetKey();
    this.ask(key === null ? refusal("You are logged out", "Log in again, or enter a key.") : refusal("This key does not open the door", why));
  }

  private leave(): void {
    this.socket?.close();
    this.socket = null;
    this.platform = null;
    this.attempt += 1;
    clearTimeout(this.whoTimer);
    clearTimeout(this.listsTimer);
    this.fetched.clear();
    this.listsKnown = false;
    this.listsAt = 0;
  }

  /** Asks who is here; `problem`: why the last answer was not good. */
  private ask(problem: HTMLElement | null): void {
    this.leave();
    this.problem.replaceChildren(...(problem === null ? [] : [problem]));
    this.show("key");
    this.form.update({ checking: false, refused: problem !== null });
    this.form.focus();
  }

  private connectionIs(connection: Connection): void {
    this.show(connection);
    if (connection === "live") void this.list();
  }

  private newBoard(): Board {
    return new Board(
      {
        added: (entry, before) => this.feed.added(entry, before),
        replaced: (key, entry) => this.feed.replaced(key, entry),
        removed: (key) => this.feed.removed(key),
        roomsChanged: () => this.drawRooms(),
      },
      this.personaNames,
    );
  }

  private listSoon(): void {
    if (this.listsTimer !== undefined) clearTimeout(this.listsTimer);
    const since = Date.now() - this.listsAt;
    this.listsTimer = setTimeout(() => void this.list(), Math.max(LISTS_SOON_MS, LISTS_APART_MS - since));
  }

  /** Asks what is open: messages tell changes, lists tell how things stand. */
  private async list(): Promise<void> {
    const { platform, board } = this;
    if (platform === null) return;
    clearTimeout(this.listsTimer);
    this.listsAt = Date.now();
    this.listsTimer = setTimeout(() => void this.list(), LISTS_ANYWAY_MS);
    try {
      const asked = board.moment;
      const [rooms, sessions] = await Promise.all([platform.rooms(), platform.activeSessions()]);
      if (this.platform !== platform) return;
      const isFirst = !this.listsKnown;
      this.listsKnown = true;
      board.reconcile(rooms, sessions, asked);
      if (isFirst) await Promise.all(board.rooms().slice(0, EARLIER_AT_ONCE).map((room) => this.fetchEarlier(room)));
    } catch (error) {
      // The socket notices a server that is away; a key that may not see the lists still shows what happens.
      this.listsKnown ||= error instanceof ApiError;
      this.explain();
    }
  }

  private async fetchEarlier({ session }: Room): Promise<void> {
    const { platform, board } = this;
    if (platform === null || session === null || this.fetched.has(session.id)) return;
    this.fetched.add(session.id);
    try {
      const lines = await platform.transcript(session.id);
      if (this.platform === platform) board.addEarlier(session, lines);
    } catch {
      this.fetched.delete(session.id);
    }
    this.explain();
  }

  private choose(fullName: string | null): void {
    this.chosen = fullName === null ? null : (this.board.room(fullName) ?? this.chosen);
    this.feed.show(this.board.entries, this.chosen?.fullName ?? null);
    this.drawRooms();
    if (this.chosen !== null) void this.fetchEarlier(this.chosen);
  }

  private drawRooms(): void {
    const { chosen } = this;
    if (chosen !== null) this.chosen = this.board.room(chosen.fullName) ?? { ...chosen, open: false, people: 0, session: null };
    this.rooms.update(this.board.rooms(), this.chosen);
    setText(this.title, this.chosen?.name ?? "All rooms");
    this.drawFacts();
    this.explain();
  }

  private drawFacts(): void {
    setText(this.facts, this.chosen === null ? "Everything that happens" : factsOf(this.chosen));
  }

  private tick(): void {
    this.rooms.tick();
    this.drawFacts();
  }

  /** Nothing to show yet: say what to do next. */
  private explain(): void {
    if (!this.feed.isEmpty) this.feed.explain(null);
    else if (!this.listsKnown) this.feed.explain(element("p", {}, "One moment"));
    else this.feed.explain(this.chosen === null ? this.invitation() : element("p", {}, "Nothing was said here yet. It appears as it is spoken."));
  }

  private invitation(): HTMLElement {
    const call = element(
      "a",
      { class: "button button--action", href: this.talk.href, target: "_blank", rel: "noopener" },
      icon("phone", 18),
      "Talk to a persona",
    );
    return element(
      "div",
      { class: "invitation" },
      element("span", { class: "invitation__icon", "aria-hidden": "true" }, icon("voices", 26)),
      element("h2", {}, "It is quiet"),
      element("p", {}, "Start a call, and everything that is said in it appears here as it is spoken."),
      call,
    );
  }

  private show(phase: Phase): void {
    document.documentElement.dataset["phase"] = phase;
    setText(this.state, phases[phase]);
    this.door.hidden = phase !== "key";
    this.main.hidden = phase === "key";
    this.talk.hidden = phase === "key";
    document.title = phase === "reconnecting" ? "Reconnecting · Parley" : "Monitor · Parley";
  }
}

function refusal(title: string, why: string): HTMLElement {
  return element(
    "div",
    { class: "notice notice--danger" },
    icon("key", 20),
    element("p", { class: "notice__title" }, title),
    element("p", {}, why),
  );
}

/** A key goes along in the fragment, which browsers never send; a session is there already. */
function talkAddress(key: string | null): string {
  return key === null ? "/talk" : `/talk#${new URLSearchParams({ key })}`;
}
