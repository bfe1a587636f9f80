/** Telephone: calls, who answers which number, trunks, and what may be called. */

import { Problem, wordsFor } from "../console/problem";
import { PageTabs } from "../console/tabs";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { element } from "../dom/element";
import { icon } from "../dom/icons";
import type { Account } from "../platform/account";
import { CallsView } from "./calls_view";
import { openDial } from "./dial";
import { NumbersView } from "./numbers_view";
import { RulesView } from "./rules_view";
import { TrunksView } from "./trunks_view";

class PhonePage implements View {
  readonly title = "Phone";
  readonly root: HTMLElement;

  private readonly problem = new Problem();
  private readonly tabs: PageTabs;

  constructor(place: Place, account: Account) {
    this.tabs = new PageTabs("Phone", place, [new CallsView(), new NumbersView(), new TrunksView(), new RulesView(account.projectId)]);
    const dial = element("button", { class: "button button--action button--small", type: "button" }, icon("phone", 16), "Call a number");
    dial.addEventListener("click", () => void this.dial(place));
    this.root = pageRoot(
      pageHead("Phone", "Calls in and out, who answers which number, and the lines they come by.", dial),
      this.problem.root,
      this.tabs.root,
    );
  }

  start(signal: AbortSignal): Promise<void> {
    return this.tabs.start(signal);
  }

  private async dial(place: Place): Promise<void> {
    this.problem.clear();
    try {
      await openDial((session) => place.go(`/console/sessions/${session}`));
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }
}

export const open: Open = (place, account) => new PhonePage(place, account);
