/** Telephone: calls, who answers which number, trunks, and what may be called. */

import { tabs } from "../console/tabs";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { element } from "../dom/element";
import { icon } from "../dom/icons";
import type { Account } from "../platform/console";
import { query } from "../platform/client";
import { CallsView } from "./calls_view";
import { openDial } from "./dial";
import { NumbersView } from "./numbers_view";
import { RulesView } from "./rules_view";
import { TrunksView } from "./trunks_view";

class PhonePage implements View {
  readonly title = "Phone";
  readonly root: HTMLElement;

  private signal: AbortSignal | null = null;
  private chosen: string;
  private readonly views: readonly { id: string; title: string; root: HTMLElement; start(signal: AbortSignal): Promise<void> }[];
  private readonly started = new Set<string>();

  constructor(place: Place, account: Account) {
    this.views = [new CallsView(), new NumbersView(), new TrunksView(), new RulesView(account.projectId)];
    this.chosen = place.query.get("tab") ?? "calls";
    const dial = element("button", { class: "button button--action button--small", type: "button" }, icon("phone", 16), "Call a number");
    dial.addEventListener("click", () => void openDial((session) => place.go(`/console/sessions/${session}`)));
    this.root = pageRoot(
      pageHead("Phone", "Calls in and out, who answers which number, and the lines they come by.", dial),
      tabs("Phone", this.views, this.chosen, (id) => {
        this.chosen = id;
        place.rename(place.path + query({ tab: id === "calls" ? "" : id }));
        void this.show();
      }),
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await this.show();
  }

  /** What the chosen tab shows is fetched when it is first seen. */
  private async show(): Promise<void> {
    const { signal } = this;
    const view = this.views.find(({ id }) => id === this.chosen) ?? this.views[0];
    if (signal === null || view === undefined || this.started.has(view.id)) return;
    this.started.add(view.id);
    await view.start(signal);
  }
}

export const open: Open = (place, account) => new PhonePage(place, account);
