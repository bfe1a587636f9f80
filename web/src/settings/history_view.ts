/** Lists that are read by pages: transactions and meetings. */

import { Problem, wordsFor } from "../console/shell";
import { element, setText } from "../dom/element";
import type { Console, HeldMeeting, Listed, Transaction } from "../platform/console";
import { type Section, sectionRoot, table } from "../console/section";
import { duration, moment, money } from "../console/words";

type Kind = "transactions" | "meetings";

const types: Record<Transaction["type"], string> = { usage: "Usage", credit: "Credit", refund: "Refund" };

export class HistoryView implements Section {
  readonly root: HTMLElement;

  private readonly list = element("div", {});
  private readonly problem = new Problem();
  private readonly newer = element("button", { class: "button button--quiet", type: "button" }, "Newer");
  private readonly older = element("button", { class: "button button--quiet", type: "button" }, "Older");
  private readonly place = element("span", { class: "pager__place", role: "status" });
  private readonly pager = element("div", { class: "pager", hidden: true }, this.newer, this.place, this.older);
  private page = 1;

  constructor(
    readonly id: Kind,
    readonly title: string,
    private readonly console: Console,
  ) {
    this.newer.addEventListener("click", () => void this.turn(-1));
    this.older.addEventListener("click", () => void this.turn(1));
    this.root = sectionRoot(id, title, this.problem.root, this.list, this.pager);
  }

  async start(): Promise<void> {
    this.problem.clear();
    try {
      if (this.id === "meetings") this.draw(await this.console.meetings(this.page), meetings);
      else this.draw(await this.console.transactions(this.page), transactions);
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }

  private async turn(by: number): Promise<void> {
    this.page += by;
    await this.start();
  }

  private draw<Row>({ rows, page, totalPages }: Listed<Row>, show: (rows: Row[]) => HTMLElement): void {
    this.list.replaceChildren(show(rows));
    this.pager.hidden = totalPages < 2;
    this.newer.disabled = page <= 1;
    this.older.disabled = page >= totalPages;
    setText(this.place, `Page ${page} of ${totalPages}`);
  }
}

function transactions(rows: Transaction[]): HTMLElement {
  const cells = rows.map(({ type, amount, description, date }) => [
    types[type],
    element("span", { class: "amount", "data-type": type }, type === "usage" ? money(-amount) : `+${money(amount)}`),
    description || "–",
    moment(date),
  ]);
  return table("Transactions", ["Type", "Amount", "Description", "Date"], cells, "No transactions yet");
}

function meetings(rows: HeldMeeting[]): HTMLElement {
  const cells = rows.map((meeting) => [
    meeting.title,
    element("a", { href: `/join/${encodeURIComponent(meeting.id)}` }, meeting.id),
    meeting.startedAt === null ? "–" : moment(meeting.startedAt),
    meeting.durationSeconds === null ? "–" : duration(meeting.durationSeconds),
    String(meeting.participants),
    money(meeting.cost),
  ]);
  return table("Meetings", ["Title", "Meeting ID", "Started", "Duration", "Participants", "Cost"], cells, "No meetings yet");
}
