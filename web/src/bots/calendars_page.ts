/** Calendars that send bots, with a switch for each of their next events. */

import { emptyState, linkButton } from "../console/empty";
import { Problem, wordsFor } from "../console/problem";
import { sectionRoot, table } from "../console/section";
import { type Open, pageHead, pageRoot, type View } from "../console/view";
import { moment } from "../console/words";
import { element } from "../dom/element";
import { type Calendar, type CalendarEvent, calendarEvents, calendars, scheduleBot, unscheduleBot } from "../platform/bots";

class CalendarsPage implements View {
  readonly title = "Calendars";
  readonly root: HTMLElement;

  private readonly list = element("div", { class: "sections" });
  private readonly problem = new Problem();

  constructor() {
    this.root = pageRoot(
      pageHead("Calendars", "Their events with a meeting link, and which of them a bot attends."),
      this.problem.root,
      this.list,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    const found = await calendars(signal);
    const parts = await Promise.all(found.map((calendar) => this.part(calendar, signal)));
    this.list.replaceChildren(...(parts.length > 0 ? parts : [nothing()]));
  }

  private async part(calendar: Calendar, signal: AbortSignal): Promise<HTMLElement> {
    const events = await calendarEvents(calendar.uuid, signal);
    const rows = events.map((event) => [
      event.name || "Without a title",
      moment(event.startTime),
      event.isRecurring ? "Repeats" : "Once",
      event.meetingUrl === "" ? "No meeting link" : this.switch(event),
    ]);
    const heading = calendar.name === calendar.email || calendar.email === "" ? calendar.name : `${calendar.name} (${calendar.email})`;
    return sectionRoot(`calendar-${calendar.uuid}`, heading, table(heading, ["Event", "Starts", "", "Bot"], rows, "No events to come"));
  }

  private switch(event: CalendarEvent): HTMLElement {
    const box = element("input", { type: "checkbox", role: "switch", checked: event.hasBot, "aria-label": `A bot comes to ${event.name}` });
    box.addEventListener("change", () => void this.change(event, box));
    return element("label", { class: "choice" }, box, "Send a bot");
  }

  private async change(event: CalendarEvent, box: HTMLInputElement): Promise<void> {
    box.disabled = true;
    this.problem.clear();
    try {
      if (box.checked) await scheduleBot(event.uuid, "Notetaker");
      else await unscheduleBot(event.uuid);
    } catch (error) {
      box.checked = !box.checked;
      this.problem.tell(wordsFor(error));
    } finally {
      box.disabled = false;
    }
  }
}

function nothing(): HTMLElement {
  const words = "Connect one by the API, POST /calendars/: Google, Microsoft, CalDAV or an ICS feed. Bots then attend the meetings in it that you choose.";
  return element("div", { class: "panel" }, emptyState("calendar", "No calendars yet", words, linkButton("How to connect one", "/docs")));
}

export const open: Open = () => new CalendarsPage();
