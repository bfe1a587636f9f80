/** The account: what it is called, how it logs in, what it has. */

import { field } from "../console/fields";
import { facts, sectionRoot } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { date, money } from "../console/words";
import { element, setText } from "../dom/element";
import { type Account, changeName } from "../platform/account";

export class ProfileView {
  readonly id = "profile";
  readonly title = "Account";
  readonly root: HTMLElement;

  private readonly problem = new Problem();
  private readonly said = element("p", { class: "section__hint", role: "status" });
  private readonly name;
  private readonly submit = element("button", { class: "button button--action", type: "submit" }, "Save");

  constructor(account: Account) {
    this.name = field({ id: "name", label: "Name", attributes: { maxlength: "200", autocomplete: "name", value: account.name } });
    const email = field({
      id: "email",
      label: "E-mail address",
      type: "email",
      hint: "You log in with it. It stays as it is: addresses are not verified here, so nothing could tell that a new one is yours.",
      attributes: { readonly: true, value: account.email },
    });
    const form = element("form", { class: "stack-form" }, this.name.root, email.root, this.problem.root, this.submit, this.said);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save();
    });
    const list = facts([
      ["Plan", account.planDisplay],
      ["Balance", money(account.balance)],
      ["Used", money(account.used)],
      ["Active keys", `${account.activeKeys} of ${account.maxActiveKeys}`],
      ["Project", `${account.projectSlug} (id ${account.projectId})`],
      ["Since", date(account.createdAt)],
    ]);
    this.root = element("div", { class: "sections" }, sectionRoot("profile", "Account", form), sectionRoot("account", "What it has", element("dl", { class: "facts facts--flat" }, ...list)));
  }

  private async save(): Promise<void> {
    this.problem.clear();
    setText(this.said, "");
    this.submit.disabled = true;
    try {
      this.name.input.value = await changeName(this.name.input.value.trim());
      setText(this.said, "Saved.");
    } catch (error) {
      this.problem.tell(wordsFor(error));
    } finally {
      this.submit.disabled = false;
    }
  }
}
