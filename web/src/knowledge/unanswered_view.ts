/** What callers asked and the base held nothing about: each is answered with a text, or kept as a golden question. */

import { emptyState } from "../console/empty";
import { LongList } from "../console/long_list";
import { rowButton, timeTag } from "../console/section";
import { count } from "../console/words";
import { element } from "../dom/element";
import { type Unanswered, unanswered } from "../platform/knowledge";
import type { PageTab } from "../console/tabs";
import type { BaseContext } from "./context";
import { writeText } from "./documents_view";
import { editGolden } from "./golden_dialog";
import { figure } from "./score";

export class UnansweredView implements PageTab {
  readonly id = "unanswered";
  readonly title = "Unanswered";
  readonly root: HTMLElement;

  private readonly list: LongList<Unanswered>;
  private readonly said = element("p", { class: "section__hint", role: "status" });

  constructor(private readonly context: BaseContext) {
    this.list = new LongList<Unanswered>({
      label: "Unanswered questions",
      columns: ["Question", "Asked", "Last asked", "Best score", ""],
      fetch: (page, perPage, signal) => unanswered(context.id, page, perPage, signal),
      cells: (row) => [row.question, row.times === 1 ? "once" : `${count(row.times)} times`, timeTag(row.lastAskedAt), figure(row.score), this.acts(row)],
      href: (row) => `/console/sessions/${row.session}`,
      empty: () => emptyState("check", "Nothing is unanswered", "When a caller asks something this base holds nothing about, the question appears here, with how often it was asked. Agents that do not keep transcripts leave none."),
    });
    this.root = element(
      "div",
      { class: "stack" },
      element("p", { class: "section__hint" }, "Most asked first. A question opens the conversation it was asked in last."),
      this.said,
      this.list.root,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.list.start(signal);
  }

  async refresh(): Promise<void> {
    await this.list.refresh();
  }

  private acts(row: Unanswered): HTMLElement {
    const answer = rowButton("Answer", row.question, () => this.answer(row));
    const keep = element("button", { class: "button button--quiet button--small", type: "button", "aria-label": `Keep as golden question: ${row.question}` }, "Keep");
    keep.title = "Keep it as a golden question";
    keep.addEventListener("click", () => void this.keep(row));
    return element("div", { class: "base-acts" }, answer, keep);
  }

  private async answer(row: Unanswered): Promise<void> {
    const name = row.question.replace(/[/\\]/g, " ").replace(/[?.!\s]+$/, "").slice(0, 80);
    if (!(await writeText(this.context.id, name, `# ${row.question}\n\n`, "Write the answer below the question, as the agent should give it."))) return;
    this.said.textContent = "Added. Ask it under Try out, to see that it is found.";
    await this.context.reread();
  }

  private async keep(row: Unanswered): Promise<void> {
    if (await editGolden(this.context.id, { question: row.question, source: "", contains: "" })) this.context.openTab("golden");
  }
}
