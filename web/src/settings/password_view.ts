/** Changing the password. */

import { field } from "../console/fields";
import { Problem, wordsFor } from "../console/problem";
import { element, setText } from "../dom/element";
import { isByKey } from "../platform/client";
import { changePassword } from "../platform/account";
import { sectionRoot } from "../console/section";

export class PasswordView {
  readonly id = "password";
  readonly title = "Change password";
  readonly root: HTMLElement;

  private readonly problem = new Problem();
  private readonly done = element("p", { class: "section__hint", role: "status" });
  private readonly current = field({
    id: "current-password",
    label: "Current password",
    type: "password",
    attributes: { required: true, autocomplete: "current-password", maxlength: "200" },
  });
  private readonly next = field({
    id: "new-password",
    label: "New password",
    type: "password",
    hint: "At least 8 characters. Other browsers are logged out.",
    attributes: { required: true, autocomplete: "new-password", minlength: "8", maxlength: "200" },
  });
  private readonly submit = element("button", { class: "button", type: "submit" }, "Change password");

  constructor() {
    const form = element("form", { class: "stack-form" }, this.current.root, this.next.root, this.problem.root, this.submit, this.done);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.change();
    });
    const stranger = "You are here with an API key, which may not change the password. Log in, and come back.";
    this.root = sectionRoot(this.id, this.title, isByKey() ? element("p", { class: "section__hint" }, stranger) : form);
  }

  private async change(): Promise<void> {
    this.problem.clear();
    setText(this.done, "");
    this.submit.disabled = true;
    try {
      await changePassword(this.current.input.value, this.next.input.value);
      this.current.input.value = this.next.input.value = "";
      setText(this.done, "Password changed. Other browsers are logged out.");
    } catch (error) {
      this.problem.tell(wordsFor(error));
    } finally {
      this.submit.disabled = false;
    }
  }
}
