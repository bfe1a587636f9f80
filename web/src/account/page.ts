/** The account: keys, transactions, meetings, webhooks, password, access for support. */

import { Masthead, Problem, wordsFor } from "../console/shell";
import { element } from "../dom/element";
import { type Account, Console } from "../platform/console";
import { HistoryView } from "./history_view";
import { KeysView } from "./keys_view";
import { PasswordView } from "./password_view";
import type { Section } from "../console/section";
import { SupportView } from "./support_view";
import { date, money } from "../console/words";
import { WebhooksView } from "./webhooks_view";

export class AccountPage {
  private readonly console = new Console();
  private readonly masthead = new Masthead(this.console, "/account");
  private readonly problem = new Problem();
  private readonly facts = element("dl", { class: "facts" });
  private readonly sections: Section[];

  constructor(root: HTMLElement) {
    const { console } = this;
    this.sections = [
      new KeysView(console, () => void this.readAccount()),
      new HistoryView("transactions", "Transaction history", console),
      new HistoryView("meetings", "Meeting history", console),
      new WebhooksView(console),
      new PasswordView(console),
      new SupportView(console),
    ];
    const links = [["information", "Account information"], ...this.sections.map(({ id, title }) => [id, title])] as [string, string][];
    root.append(
      this.masthead.root,
      element(
        "main",
        { class: "account" },
        element(
          "nav",
          { class: "account__links", "aria-label": "Sections" },
          ...links.map(([id, words]) => element("a", { href: `#${id}` }, words)),
        ),
        element(
          "div",
          { class: "sections" },
          element("h1", { class: "visually-hidden" }, "Account"),
          this.problem.root,
          element(
            "section",
            { class: "panel section", id: "information", "aria-labelledby": "information-title" },
            element("h2", { id: "information-title" }, "Account information"),
            this.facts,
          ),
          ...this.sections.map(({ root: section }) => section),
        ),
      ),
    );
  }

  async start(): Promise<void> {
    const account = await this.readAccount();
    if (account === null) return;
    await Promise.all(this.sections.map((section) => section.start()));
    document.documentElement.dataset["phase"] = "ready";
  }

  /** The account as it is now; without a session one is asked to log in. */
  private async readAccount(): Promise<Account | null> {
    try {
      const account = await this.console.account();
      if (account === null) {
        location.replace("/login?next=/account");
        return null;
      }
      this.masthead.update(account);
      this.draw(account);
      return account;
    } catch (error) {
      this.problem.tell(wordsFor(error));
      return null;
    }
  }

  private draw(account: Account): void {
    const facts = [
      ["E-mail address", account.email],
      ["Name", account.name || "–"],
      ["Plan", account.planDisplay],
      ["Balance", money(account.balance)],
      ["Used", money(account.used)],
      ["Active keys", `${account.activeKeys} of ${account.maxActiveKeys}`],
      ["Project", `${account.projectSlug} (id ${account.projectId})`],
      ["Since", date(account.createdAt)],
    ] as const;
    this.facts.replaceChildren(
      ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
    );
  }
}
