/** Calendars that send bots, with a switch for each of their next events. */

import { type Open, pageHead, pageRoot, type View } from "../console/view";
import { Bots } from "../platform/bots";
import { CalendarsView } from "./calendars_view";

class CalendarsPage implements View {
  readonly title = "Calendars";
  readonly root: HTMLElement;

  private readonly calendars = new CalendarsView(new Bots());

  constructor() {
    this.root = pageRoot(pageHead("Calendars", "Their events with a meeting link, and which of them a bot attends."), this.calendars.root);
  }

  async start(): Promise<void> {
    await this.calendars.start();
  }
}

export const open: Open = () => new CalendarsPage();
