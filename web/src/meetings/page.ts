/** Meetings with agents by scenarios, and meetings that people held. */

import { tabs } from "../console/tabs";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { query } from "../platform/client";
import { MeetingsView } from "./meetings_view";
import { ScenariosView } from "./scenarios_view";

class MeetingsPage implements View {
  readonly title = "Meetings";
  readonly root: HTMLElement;

  private readonly meetings: MeetingsView;
  private readonly scenarios = new ScenariosView();

  constructor(place: Place) {
    this.meetings = new MeetingsView(place);
    this.root = pageRoot(
      pageHead("Meetings", "An agent follows a scenario with whoever has the link; afterwards each is analysed."),
      tabs("Meetings", [this.meetings, this.scenarios], place.query.get("tab") ?? "meetings", (id) => {
        place.rename(place.path + query({ tab: id === "meetings" ? "" : id }));
      }),
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.meetings.start(signal), this.scenarios.start(signal)]);
  }
}

export const open: Open = (place) => new MeetingsPage(place);
