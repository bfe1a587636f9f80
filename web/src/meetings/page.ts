/** Meetings with agents by scenarios, and meetings that people held. */

import { PageTabs } from "../console/tabs";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { HeldView } from "./held_view";
import { MeetingsView } from "./meetings_view";
import { ScenariosView } from "./scenarios_view";

class MeetingsPage implements View {
  readonly title = "Meetings";
  readonly root: HTMLElement;

  private readonly tabs: PageTabs;

  constructor(place: Place) {
    this.tabs = new PageTabs("Meetings", place, [new MeetingsView(place), new ScenariosView(), new HeldView()]);
    this.root = pageRoot(pageHead("Meetings", "An agent follows a scenario with whoever has the link; afterwards each is analysed."), this.tabs.root);
  }

  start(signal: AbortSignal): Promise<void> {
    return this.tabs.start(signal);
  }
}

export const open: Open = (place) => new MeetingsPage(place);
