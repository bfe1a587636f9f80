/** Calendars that send bots: connecting them, how they fare, and a switch for each of their next events. */

import "./bots.css";
import { every } from "../console/clock";
import { emptyState, linkButton } from "../console/empty";
import { Problem, wordsFor } from "../console/problem";
import { type Open, pageHead, pageRoot, type View } from "../console/view";
import { element } from "../dom/element";
import { calendars, readCalendarsAnew } from "../platform/calendars";
import { CalendarView } from "./calendar_view";
import { openConnect } from "./connect";

const EVERY_MS = 5_000;

class CalendarsPage implements View {
  readonly title = "Calendars";
  readonly root: HTMLElement;

  private readonly list = element("div", { class: "sections" });
  private readonly problem = new Problem();
  /** Why the calendars cannot be told; it goes once they can. */
  private readonly unread = new Problem();
  private readonly anew = element("button", { class: "button button--small", type: "button", hidden: true }, "Read anew");
  private readonly shown = new Map<string, CalendarView>();
  private signal = AbortSignal.abort();

  constructor() {
    this.anew.addEventListener("click", () => void this.readAnew());
    this.root = pageRoot(
      pageHead("Calendars", "Their events with a meeting link, and which of them a bot attends.", this.anew, this.connector()),
      this.problem.root,
      this.unread.root,
      this.list,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await this.read();
    every(EVERY_MS, signal, () => this.follow());
  }

  private connector(): HTMLButtonElement {
    const button = element("button", { class: "button button--action button--small", type: "button" }, "Connect a calendar");
    button.addEventListener("click", () => void this.connect());
    return button;
  }

  private async connect(): Promise<void> {
    if (await openConnect()) await this.follow();
  }

  private async readAnew(): Promise<void> {
    this.problem.clear();
    this.anew.disabled = true;
    try {
      const problems = await readCalendarsAnew();
      if (problems.length > 0) this.problem.tell(problems.join(" "));
      await this.read();
    } catch (error) {
      if (!this.signal.aborted) this.problem.tell(wordsFor(error));
    } finally {
      this.anew.disabled = false;
    }
  }

  /** As they are by now; why that cannot be told. */
  private async follow(): Promise<void> {
    try {
      await this.read();
      this.unread.clear();
    } catch (error) {
      if (!this.signal.aborted) this.unread.tell(wordsFor(error));
    }
  }

  /** Those that are shown stay where they are, with what somebody does in them. */
  private async read(): Promise<void> {
    const { signal } = this;
    const found = await calendars(signal);
    const kept = new Set(found.map(({ uuid }) => uuid));
    for (const [uuid, view] of this.shown) {
      if (kept.has(uuid)) continue;
      view.root.remove();
      this.shown.delete(uuid);
    }
    if (found.length > 0 && this.shown.size === 0) this.list.replaceChildren();
    await Promise.all(
      found.map((calendar) => {
        const view = this.shown.get(calendar.uuid);
        if (view !== undefined) return view.update(calendar);
        const made = new CalendarView(calendar, () => this.follow());
        this.shown.set(calendar.uuid, made);
        this.list.append(made.root);
        return made.start(signal);
      }),
    );
    this.anew.hidden = found.length === 0;
    if (found.length === 0 && this.list.querySelector(".empty") === null) this.list.replaceChildren(this.nothing());
  }

  private nothing(): HTMLElement {
    const words = "Connect one by the address of its feed, by CalDAV, Google or Microsoft. Bots then attend the meetings in it that you choose.";
    return element("div", { class: "panel" }, emptyState("calendar", "No calendars yet", words, this.connector(), linkButton("By the API", "/docs")));
  }
}

export const open: Open = () => new CalendarsPage();
