/** What the account was charged and given, in pages. */

import { sectionRoot, table, tag } from "../console/section";
import { wordsFor } from "../console/shell";
import { date, money } from "../console/words";
import { element } from "../dom/element";
import { Console } from "../platform/console";

const WORDS = { usage: "Charged", credit: "Credit", refund: "Refund" } as const;

export class TransactionsSection {
  readonly root: HTMLElement;
  private readonly console = new Console();
  private readonly rows = element("div", {});
  private readonly newer = element("button", { class: "button button--small", type: "button" }, "Newer");
  private readonly older = element("button", { class: "button button--small", type: "button" }, "Older");
  private readonly where = element("span", { class: "pager__place", role: "status" });
  private readonly pager = element("div", { class: "pager", hidden: true }, this.newer, this.where, this.older);
  private page = 1;
  private signal = AbortSignal.abort();

  constructor() {
    this.root = sectionRoot("transactions", "Transactions", this.rows, this.pager);
    this.newer.addEventListener("click", () => void this.turn(-1));
    this.older.addEventListener("click", () => void this.turn(1));
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await this.turn(0);
  }

  private async turn(by: number): Promise<void> {
    try {
      const found = await this.console.transactions(this.page + by);
      if (this.signal.aborted) return;
      this.page = found.page;
      this.pager.hidden = found.totalPages < 2;
      this.newer.disabled = found.page <= 1;
      this.older.disabled = found.page >= found.totalPages;
      this.where.textContent = `${found.page} of ${found.totalPages}`;
      this.rows.replaceChildren(
        table(
          "Transactions",
          ["Date", "Kind", "What", "Amount"],
          found.rows.map(({ type, amount, description, date: at }) => [
            date(at),
            tag(WORDS[type], type === "usage" ? "" : "active"),
            description,
            element("span", { class: "amount", "data-type": type }, `${type === "usage" ? "−" : "+"}${money(amount)}`),
          ]),
          "Nothing was charged yet. Each conversation that ends and each meeting is a line here.",
        ),
      );
    } catch (error) {
      if (!this.signal.aborted) this.rows.replaceChildren(element("p", { class: "section__hint" }, wordsFor(error)));
    }
  }
}
