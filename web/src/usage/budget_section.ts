/** What the project may cost in a month, how much of that is spent, and the change of it. */

import { openDialog } from "../console/dialog";
import { field } from "../console/fields";
import { sectionRoot } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { money } from "../console/words";
import { element } from "../dom/element";
import { type Budget, budget, setBudget, spentThisMonth } from "../platform/figures";
import { meter } from "./meter";

const WARN_AT = 0.8;

export class BudgetSection {
  readonly root: HTMLElement;
  private readonly problem = new Problem();
  private readonly shown = element("div", { class: "stack", "aria-live": "polite" });
  private readonly change = element("button", { class: "button button--small", type: "button", hidden: true });
  private readonly lift = element("button", { class: "button button--quiet button--small", type: "button", hidden: true }, "Remove");
  private set: Budget | null = null;
  private signal = AbortSignal.abort();

  constructor(private readonly projectId: number) {
    this.root = sectionRoot("budget", "Budget", this.problem.root, this.shown, element("div", { class: "row-form" }, this.change, this.lift));
    this.change.addEventListener("click", () => void this.edit());
    this.lift.addEventListener("click", () => void this.remove());
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    try {
      const [set, spent] = await Promise.all([budget(this.projectId, signal), spentThisMonth(signal)]);
      this.set = set;
      this.problem.clear();
      this.draw(set, spent);
    } catch (error) {
      if (!signal.aborted) this.problem.tell(wordsFor(error));
    }
  }

  private draw(set: Budget | null, spent: number): void {
    this.change.textContent = set === null ? "Set a budget" : "Change the budget";
    this.change.hidden = false;
    this.lift.hidden = set === null;
    if (set === null) {
      const words = `${money(spent)} spent this month. Without a budget nothing ends your calls, whatever they cost.`;
      this.shown.replaceChildren(element("p", { class: "section__hint" }, words));
      return;
    }
    const { limit, softAt } = set;
    const then =
      spent >= limit
        ? "It is used up: no call with an agent begins before next month, or before you raise it."
        : `You are warned at ${money(limit * softAt)}. At ${money(limit)} calls with agents are wound up, and none begins.`;
    this.shown.replaceChildren(
      meter({ label: "This month", words: `${money(spent)} of ${money(limit)}`, used: spent, limit, warnAt: softAt }),
      element("p", { class: "section__hint" }, then),
    );
  }

  private async edit(): Promise<void> {
    const limit = field({
      id: "limit",
      label: "Dollars a month",
      type: "number",
      hint: "Counted from the first of each month, UTC.",
      attributes: { min: "0.01", max: "1000000000", step: "0.01", required: true, value: this.set === null ? "" : String(this.set.limit) },
    });
    const warn = field({
      id: "warn",
      label: "Warn at, in percent of it",
      type: "number",
      attributes: { min: "0", max: "100", step: "1", required: true, value: String(Math.round((this.set?.softAt ?? WARN_AT) * 100)) },
    });
    await openDialog({
      title: "Budget of the project",
      body: [limit.root, warn.root],
      act: "Save",
      submit: async () => {
        await setBudget(this.projectId, { limit: Number(limit.input.value), softAt: Number(warn.input.value) / 100 });
        await this.start(this.signal);
      },
    });
    this.change.focus();
  }

  private async remove(): Promise<void> {
    const words = "Calls may then cost whatever they cost. You can set another budget at any time.";
    await openDialog({
      title: "Remove the budget?",
      body: [element("p", {}, words)],
      act: "Remove",
      isDangerous: true,
      submit: async () => {
        await setBudget(this.projectId, null);
        await this.start(this.signal);
      },
    });
    this.change.focus();
  }
}
