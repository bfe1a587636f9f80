/** Calendars, and a switch for each of their next events. */

import { Problem, wordsFor } from "../console/shell";
import { sectionRoot, table } from "../console/section";
import { moment } from "../console/words";
import { element } from "../dom/element";
import type { Bots, Calendar, CalendarEvent } from "../platform/bots";

export class CalendarsView {
  readonly root: HTMLElement;

  private readonly list = element("div", { class: "sections" });
  private readonly problem = new Problem();

  constructor(private readonly bots: Bots) {
    this.root = sectionRoot("calendars", "Calendars", this.problem.root, this.list);
  }

  async start(): Promise<void> {
    try {
      const calendars = await this.bots.calendars();
      const parts = await Promise.all(calendars.map((calendar) => this.draw(calendar)));
      const none = element(
        "p",
        { class: "section__empty" },
        "No calendars yet. Connect one by the API: ",
        element("code", {}, "POST /calendars/"),
        " for Google, Microsoft, CalDAV and ICS feeds.",
      );
      this.list.replaceChildren(...(parts.length > 0 ? parts : [none]));
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }

  private async draw(calendar: Calendar): Promise<HTMLElement> {
    const events = await this.bots.events(calendar.uuid);
    const rows = events.map((event) => [
      event.name || "Without a title",
      moment(event.startTime),
      event.isRecurring ? "Repeats" : "Once",
      event.meetingUrl === "" ? "No meeting link" : this.switch(event),
    ]);
    const heading = calendar.name === calendar.email || calendar.email === "" ? calendar.name : `${calendar.name} (${calendar.email})`;
    return element("div", {}, element("h3", {}, heading), table(heading, ["Event", "Starts", "", "Bot"], rows, "No events to come"));
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
      if (box.checked) await this.bots.schedule(event.uuid, "Notetaker");
      else await this.bots.unschedule(event.uuid);
    } catch (error) {
      box.checked = !box.checked;
      this.problem.tell(wordsFor(error));
    } finally {
      box.disabled = false;
    }
  }
}
