/** One calendar: how it fares, and a switch for each of its next events. */

import { Records } from "../console/records";
import { rowActions, rowButton, sectionRoot, sureButton, tag, timeTag } from "../console/section";
import { moment } from "../console/words";
import { element } from "../dom/element";
import { type Calendar, type CalendarEvent, calendarEvents, disconnectCalendar, scheduleBot, unscheduleBot } from "../platform/calendars";
import { openReopen } from "./connect";

const STATES: Record<Calendar["status"], readonly [words: string, tone: string]> = {
  active: ["Followed", "active"],
  failing: ["Cannot be read just now", "warning"],
  revoked: ["Access refused", "failed"],
};
const BOT = "Notetaker";

export class CalendarView {
  readonly root: HTMLElement;

  private readonly state = element("div", { class: "calendar__state", "aria-live": "polite" });
  private readonly more = element("button", { class: "button button--small", type: "button", hidden: true }, "Later events");
  private readonly list: Records<CalendarEvent>;
  /** Pages of events that are shown. */
  private pages = 1;
  private readAt: string | null = null;

  /** `changed` hears that the calendars are no longer as they were. */
  constructor(
    private calendar: Calendar,
    private readonly changed: () => Promise<void>,
  ) {
    const { uuid, name, email } = calendar;
    const heading = name === email || email === "" ? name : `${name} (${email})`;
    this.list = new Records<CalendarEvent>({
      label: heading,
      columns: ["Event", "Starts", "", "Bot"],
      read: (signal) => this.read(signal),
      cells: (event) => [event.name || "Without a title", moment(event.startTime), event.isRecurring ? "Repeats" : "Once", event.meetingUrl === "" ? "No meeting link" : this.choice(event)],
      empty: () => "No events to come.",
    });
    this.more.addEventListener("click", () => {
      this.pages += 1;
      void this.list.refresh();
    });
    const acts = rowActions(
      rowButton("Other access", `to ${name}`, () => this.reopen()),
      sureButton("Disconnect", "Disconnect it? Its bots are called off.", name, async () => {
        if ((await this.list.attempt(() => disconnectCalendar(uuid).then(() => true))) === true) await this.changed();
      }),
    );
    this.root = sectionRoot(`calendar-${uuid}`, heading, element("div", { class: "calendar__head" }, this.state, acts), this.list.root, element("div", {}, this.more));
  }

  async start(signal: AbortSignal): Promise<void> {
    this.readAt = this.calendar.readAt;
    this.drawState();
    await this.list.start(signal);
  }

  /** As it is by now: its events are read again where it was read since. */
  async update(calendar: Calendar): Promise<void> {
    this.calendar = calendar;
    this.drawState();
    if (calendar.readAt === this.readAt) return;
    this.readAt = calendar.readAt;
    await this.list.refresh();
  }

  private drawState(): void {
    const { status, reason, readAt, keeper } = this.calendar;
    const [words, tone] = STATES[status];
    this.state.replaceChildren(
      tag(words, tone),
      element("p", { class: "section__hint" }, `${keeper}, `, ...(readAt === null ? ["not read yet"] : ["read ", timeTag(readAt)]), reason === null ? "" : `. ${reason}`),
    );
  }

  private async read(signal: AbortSignal): Promise<CalendarEvent[]> {
    const events: CalendarEvent[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < this.pages; page += 1) {
      const found = await calendarEvents(this.calendar.uuid, cursor, signal);
      events.push(...found.rows);
      cursor = found.next;
      if (cursor === null) break;
    }
    this.more.hidden = cursor === null;
    return events;
  }

  private choice(event: CalendarEvent): HTMLElement {
    const { uuid, name, hasBot, isRecurring, startTime } = event;
    const what = `${name || "an event"}, ${moment(startTime)}`;
    const box = element("input", { type: "checkbox", role: "switch", checked: hasBot, "aria-label": `A bot comes to ${what}` });
    box.addEventListener("change", () => void this.change(event, box));
    const always = rowButton("Every time", `a bot comes to ${name}`, () => this.list.change(() => scheduleBot(uuid, BOT, true)));
    always.title = "A bot comes to every event of the series, later ones too";
    const never = rowButton("Never", `a bot comes to ${name}`, () => this.list.change(() => unscheduleBot(uuid, true)));
    never.title = "No bot comes to any event of the series";
    return rowActions(element("label", { class: "choice" }, box, "Send a bot"), ...(isRecurring ? [always, hasBot ? never : null] : []));
  }

  /** The switch stays where it is, and keeps the focus. */
  private async change(event: CalendarEvent, box: HTMLInputElement): Promise<void> {
    box.disabled = true;
    const wish = box.checked;
    const isDone = await this.list.attempt(() => (wish ? scheduleBot(event.uuid, BOT, false) : unscheduleBot(event.uuid, false)).then(() => true));
    box.disabled = false;
    if (isDone !== true) box.checked = !wish;
    else if (event.isRecurring) await this.list.refresh(); // what its series offers has changed
    box.focus();
  }

  private async reopen(): Promise<void> {
    if (await openReopen(this.calendar)) await this.changed();
  }
}
