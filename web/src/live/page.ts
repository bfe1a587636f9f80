/** Live: the calls that run, and one of them open: heard, seen, whispered into, taken over and given back. */

import { emptyState, linkButton } from "../console/empty";
import { Problem, wordsFor } from "../console/problem";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { MicrophoneError } from "../call/microphone";
import { element, setText } from "../dom/element";
import { Board, type Entry, type LineEntry, type Room } from "../monitor/board";
import type { Account } from "../platform/account";
import type { SpokenLine } from "../platform/api";
import { activeSessions, monitorTicket, openRooms, transcriptOf } from "../platform/live";
import { type Connection, type MonitorMessage, MonitorSocket } from "../platform/monitor";
import { supervise } from "../platform/supervision";
import { Batch } from "./batch";
import { Calls } from "./calls";
import { CallsView } from "./calls_view";
import { type Choice, ModesView } from "./modes_view";
import { RoomView } from "./room_view";
import { Seat } from "./seat";
import "./live.css";

const LISTS_SOON_MS = 1_500;
/** Nobody reads a list faster; the open call is drawn in every frame. */
const LIST_EVERY_MS = 200;
const LISTS_APART_MS = 10_000;
const CONNECTION: Record<Connection, string> = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting" };
const MICROPHONE: Record<string, string> = {
  denied: "This page may not use the microphone. Allow it in the browser's address bar and choose again.",
  missing: "There is no microphone at this computer.",
  busy: "The microphone is in use by something else.",
  insecure: "Browsers give a microphone to pages over https alone.",
};

class LivePage implements View {
  readonly title = "Live";
  readonly root: HTMLElement;

  private readonly calls = new Calls();
  private readonly board: Board;
  private readonly batch = new Batch((messages) => this.take(messages), () => this.listSoon());
  private readonly list = new CallsView(this.calls);
  private readonly connection = element("p", { class: "live__connection", role: "status" });
  private readonly problem = new Problem();
  private readonly modes: ModesView;
  private readonly room: RoomView;
  private readonly seat: Seat;
  private readonly main = element("div", { class: "live" });
  private readonly nothing = element("div", { class: "panel live__nothing" });
  private readonly chosen: string | null;
  private signal = AbortSignal.abort();
  private isDirty = true;
  /** In their order; null: they have changed since they were sorted. */
  private rooms: readonly Room[] | null = null;
  private drawnAt = 0;
  /** LiveKit's name of the chosen room, once it is known. */
  private known = "";
  private listsAt = 0;
  private listsTimer: ReturnType<typeof setTimeout> | undefined;
  private fetched: number | null = null;
  /** Whether it was asked which rooms are open. */
  private hasLooked = false;
  /** What stands where nothing was said yet. */
  private explained = "";

  constructor(place: Place, account: Account) {
    this.chosen = place.params["room"] ?? null;
    this.modes = new ModesView({
      chosen: (choice) => void this.choose(choice),
      hinted: (text) => void this.hint(text),
      muted: (isMuted) => void this.seat.setMuted(isMuted),
    });
    this.room = new RoomView(this.modes.root);
    const name = account.email.split("@")[0] ?? "";
    this.seat = new Seat(this.chosen ?? "", name, {
      changed: () => this.drawSeat(),
      problem: (words) => this.problem.tell(words),
    });
    this.board = new Board({
      added: (entry: Entry, before: string | null) => {
        if (this.chosen !== null) this.room.feed.added(entry, before);
      },
      replaced: (key: string, entry: LineEntry) => {
        if (this.chosen !== null) this.room.feed.replaced(key, entry);
      },
      removed: (key: string) => this.room.feed.removed(key),
      roomsChanged: () => {
        this.rooms = null;
        this.isDirty = true;
      },
    });
    this.main.dataset["open"] = String(this.chosen !== null);
    this.main.append(this.list.root, this.chosen === null ? this.nothing : this.room.root);
    const back = this.chosen === null ? null : linkButton("All calls", "/console/live");
    this.root = pageRoot(pageHead("Live", "Calls as they run. Listen in, whisper to the persona, take a call over.", this.connection, back), this.problem.root, this.main);
    this.root.classList.add("page--live");
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    this.list.observe(signal);
    const socket = new MonitorSocket(
      { monitorTicket },
      {
        connectionIs: (connection) => {
          setText(this.connection, CONNECTION[connection]);
          this.connection.dataset["state"] = connection;
          if (connection === "live") void this.refresh();
        },
        message: (message) => this.batch.add(message),
        refused: (why) => this.problem.tell(why),
      },
    );
    socket.open();
    const clock = setInterval(() => this.tick(), 1_000);
    document.addEventListener("keydown", (event) => this.onKey(event), { signal });
    signal.addEventListener("abort", () => {
      socket.close();
      clearInterval(clock);
      clearTimeout(this.listsTimer);
      void this.seat.leave();
    });
    if (this.chosen !== null) this.showRoom();
    await this.refresh();
    this.follow();
  }

  /** The messages of one frame. */
  private take(messages: MonitorMessage[]): void {
    for (const message of messages) {
      this.board.apply(message);
      this.calls.apply(message);
      if (message.id !== null && message.type.startsWith("session.")) this.listSoon();
    }
    this.isDirty = true;
    this.draw();
  }

  private draw(): void {
    if (!this.isDirty) return;
    this.isDirty = false;
    const chosen = this.open();
    const now = performance.now();
    if (now - this.drawnAt > LIST_EVERY_MS) {
      this.drawnAt = now;
      this.list.update(this.sorted(), chosen?.fullName ?? null);
    }
    if (this.chosen === null) this.explain();
    else {
      this.explainRoom();
      this.room.update(chosen, this.chosen, this.calls.of(this.fullName()));
      this.drawSeat();
    }
  }

  private sorted(): readonly Room[] {
    this.rooms ??= this.board.rooms();
    return this.rooms;
  }

  private tick(): void {
    this.list.update(this.sorted(), this.open()?.fullName ?? null);
    if (this.chosen !== null) this.room.tick(this.open());
  }

  /** Levels, once a frame, while there is sound. */
  private follow(): void {
    const frame = (): void => {
      if (this.signal.aborted) return;
      if (this.seat.mode !== null) this.room.drawLevels();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  private open(): Room | null {
    return this.chosen === null ? null : this.board.room(this.fullName());
  }

  private fullName(): string {
    if (this.known !== "") return this.known;
    const name = this.chosen ?? "";
    this.known = this.sorted().find((room) => room.name === name || room.fullName === name)?.fullName ?? "";
    return this.known;
  }

  private listSoon(): void {
    clearTimeout(this.listsTimer);
    const since = Date.now() - this.listsAt;
    this.listsTimer = setTimeout(() => void this.refresh(), Math.max(LISTS_SOON_MS, LISTS_APART_MS - since));
  }

  /** How things stand; messages tell what changes. */
  private async refresh(): Promise<void> {
    this.listsAt = Date.now();
    const asked = this.board.moment;
    try {
      const [rooms, sessions] = await Promise.all([openRooms(this.signal), activeSessions(this.signal)]);
      this.board.reconcile(rooms, sessions, asked);
      this.hasLooked = true;
      this.isDirty = true;
      this.drawnAt = 0;
      const wasKnown = this.known !== "";
      if (!wasKnown && this.chosen !== null && this.fullName() !== "") this.showRoom();
      this.draw();
      await this.fetchEarlier();
    } catch (error) {
      if (!this.signal.aborted && this.connection.dataset["state"] !== "reconnecting") this.problem.tell(wordsFor(error));
    }
  }

  /** What was said in the chosen call before this page was there. */
  private async fetchEarlier(): Promise<void> {
    const session = this.open()?.session;
    if (session == null || this.fetched === session.id) return;
    this.fetched = session.id;
    this.showRoom();
    let lines: SpokenLine[];
    try {
      lines = await transcriptOf(session.id, this.signal);
    } catch (error) {
      this.fetched = null; // the next look asks again
      throw error;
    }
    this.board.addEarlier(session, lines);
    const last = lines.at(-1);
    const state = this.calls.of(session.fullRoomName);
    if (last !== undefined && state.lastLine === "") state.lastLine = last.text;
    this.isDirty = true;
    this.draw();
  }

  private showRoom(): void {
    this.room.feed.show(this.board.entries, this.fullName());
    this.explainRoom();
  }

  /** Whether there is no call in the chosen room. */
  private get isOver(): boolean {
    return this.hasLooked && this.open() === null;
  }

  private explainRoom(): void {
    if (!this.room.feed.isEmpty) return this.room.feed.explain(null);
    const now = this.isOver ? "over" : "running";
    if (this.explained === now) return;
    this.explained = now;
    if (!this.isOver) return this.room.feed.explain(element("p", {}, "What is said appears here as it is spoken."));
    const past = linkButton("What was said", `/console/sessions?search=${encodeURIComponent(this.chosen ?? "")}`);
    this.room.feed.explain(emptyState("voices", "No such call runs", "It is over, or has not begun. Once it runs it is shown here by itself.", past));
  }

  private explain(): void {
    const isQuiet = this.sorted().length === 0;
    const words = isQuiet ? "Start a call, and it appears here as it runs." : "It opens with what is said, and you can listen in.";
    const title = isQuiet ? "No call runs" : "Choose a call";
    if (this.nothing.dataset["title"] === title) return;
    this.nothing.dataset["title"] = title;
    this.nothing.replaceChildren(emptyState("voices", title, words));
  }

  private drawSeat(): void {
    const holder = [...this.calls.of(this.fullName()).supervisors].find(([who, { mode }]) => who !== this.seat.supervisor && mode !== "listen");
    this.modes.update({
      mode: this.seat.mode,
      isBusy: this.seat.isBusy,
      isOver: this.isOver,
      hasPersona: this.open()?.session != null,
      holder: holder === undefined ? null : holder[1].name || "A supervisor",
    });
    this.room.hear(this.seat.heard);
  }

  private async choose(choice: Choice): Promise<void> {
    this.problem.clear();
    try {
      await this.seat.take(choice);
    } catch (error) {
      this.problem.tell(error instanceof MicrophoneError ? (MICROPHONE[error.trouble] ?? "") : wordsFor(error));
    }
    this.drawSeat();
  }

  private async hint(text: string): Promise<void> {
    this.problem.clear();
    try {
      await supervise(this.chosen ?? "", { mode: "whisper", text, ...(this.seat.supervisor === null ? {} : { supervisor: this.seat.supervisor }) }, this.signal);
      this.modes.hintTaken(text);
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }

  private onKey(event: KeyboardEvent): void {
    if (this.chosen === null || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if ((event.target as Element | null)?.closest("input, textarea, select") != null) return;
    const choice = this.modes.key(event.key);
    if (choice === null) return;
    event.preventDefault();
    void this.choose(choice);
  }
}

export const open: Open = (place, account) => new LivePage(place, account);
