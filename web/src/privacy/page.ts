/** Privacy: what is kept and for how long, handing out and erasing one person, and whether the audit trail is whole. */

import "./privacy.css";
import { PageTabs } from "../console/tabs";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import type { Account } from "../platform/account";
import { KeptView } from "./kept_view";
import { PersonView } from "./person_view";
import { TrailView } from "./trail_view";

class PrivacyPage implements View {
  readonly title = "Privacy";
  readonly root: HTMLElement;

  private readonly tabs: PageTabs;

  constructor(place: Place, account: Account) {
    const [kept, person, trail] = [new KeptView(account.projectId), new PersonView(), new TrailView()];
    this.tabs = new PageTabs("Privacy", place, [
      { id: "kept", title: "What is kept", root: kept.root, start: (signal) => kept.start(signal) },
      { id: "person", title: "One person", root: person.root, start: (signal) => person.start(signal), refresh: () => person.refresh() },
      { id: "trail", title: "Audit trail", root: trail.root, start: (signal) => trail.start(signal) },
    ]);
    this.root = pageRoot(pageHead("Privacy", "What this project keeps of people, what it hands out and erases, and whether its audit trail is whole."), this.tabs.root);
  }

  start(signal: AbortSignal): Promise<void> {
    return this.tabs.start(signal);
  }
}

export const open: Open = (place, account) => new PrivacyPage(place, account);
