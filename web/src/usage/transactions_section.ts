/** What the account was charged and given, the newest first. */

import { LongList } from "../console/long_list";
import { sectionRoot, tag } from "../console/section";
import { date, money } from "../console/words";
import { element } from "../dom/element";
import { type Transaction, transactions } from "../platform/account";

const WORDS = { usage: "Charged", credit: "Credit", refund: "Refund" } as const;

export class TransactionsSection {
  readonly root: HTMLElement;

  private readonly list: LongList<Transaction>;

  constructor() {
    this.list = new LongList<Transaction>({
      label: "Transactions",
      columns: ["What", "Kind", "Amount", "Date"],
      fetch: transactions,
      cells: ({ type, amount, description, date: at }) => [
        description || "–",
        tag(WORDS[type], type === "usage" ? "" : "active"),
        element("span", { class: "amount", "data-type": type }, `${type === "usage" ? "−" : "+"}${money(amount)}`),
        date(at),
      ],
      href: () => null,
      empty: () => element("p", { class: "section__empty" }, "Nothing was charged yet. Each conversation that ends and each meeting is a line here."),
    });
    this.root = sectionRoot("transactions", "Transactions", this.list.root);
  }

  start(signal: AbortSignal): Promise<void> {
    return this.list.start(signal);
  }
}
