/** One person: what is known of them is handed out, or erased after they were named once more. */

import { openDialog } from "../console/dialog";
import { type Field, field } from "../console/fields";
import { mend, Problem, Refused, wordsFor } from "../console/problem";
import { sectionRoot } from "../console/section";
import { sentence } from "../console/words";
import { element, setText } from "../dom/element";
import { ApiError } from "../platform/api";
import { askFor, type Person, type Request } from "../platform/privacy";
import { isNamed, nameOf, personOf } from "./person";
import { RequestsView } from "./requests_view";

export class PersonView {
  readonly root: HTMLElement;

  private readonly fields = {
    phone_number: field({
      id: "person-phone",
      label: "Telephone number",
      type: "tel",
      hint: "With its country: +1 775 123 4567",
      attributes: { autocomplete: "off", maxlength: "40" },
    }),
    email: field({ id: "person-email", label: "E-mail address", type: "email", hint: "Of an invitation or an end user", attributes: { autocomplete: "off", maxlength: "254" } }),
    identity: field({ id: "person-identity", label: "Identity", hint: "As rooms and sessions know them", attributes: { autocomplete: "off", maxlength: "256", autocapitalize: "none", spellcheck: "false" } }),
    end_user_id: field({ id: "person-end-user", label: "End user’s id", hint: "A number, as /end-users has it", attributes: { autocomplete: "off", inputmode: "numeric", maxlength: "15" } }),
  } satisfies Record<keyof Person, Field<HTMLInputElement>>;
  private readonly exporting = element("button", { class: "button button--action", type: "submit" }, "Export");
  private readonly erasing = element("button", { class: "button button--danger", type: "button" }, "Erase …");
  private readonly said = element("p", { class: "section__hint", role: "status" });
  private readonly problem = new Problem();
  private readonly asked = new RequestsView();

  constructor() {
    const { phone_number: phone, email, identity, end_user_id: endUser } = this.fields;
    const form = element(
      "form",
      { class: "stack", novalidate: true },
      element("div", { class: "person" }, phone.root, email.root, identity.root, endUser.root),
      this.problem.root,
      element("div", { class: "acts" }, this.exporting, this.erasing, this.said),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.export();
    });
    this.erasing.addEventListener("click", () => void this.erase());
    this.root = element(
      "div",
      { class: "stack" },
      sectionRoot(
        "person",
        "Whom is it about?",
        element(
          "p",
          { class: "section__hint" },
          "One name is enough; several are of the same person. An export is a file of all that is known of them and of their own recordings, there for 24 hours. An erasure takes it out of this project for good.",
        ),
        form,
      ),
      this.asked.root,
    );
  }

  start(signal: AbortSignal): Promise<void> {
    return this.asked.start(signal);
  }

  refresh(): Promise<void> {
    return this.asked.bring(null);
  }

  /** Null where nobody is named; that is said. */
  private read(): Person | null {
    this.problem.clear();
    setText(this.said, "");
    for (const each of Object.values(this.fields)) each.refuse("");
    const { phone_number: phone, email, identity, end_user_id: endUser } = this.fields;
    try {
      return personOf({ phone: phone.input.value, email: email.input.value, identity: identity.input.value, endUser: endUser.input.value });
    } catch (error) {
      if (endUser.input.value.trim() !== "") this.refuse(endUser, wordsFor(error));
      else this.refuse(phone, wordsFor(error));
      return null;
    }
  }

  private refuse(wrong: Field<HTMLInputElement>, words: string): void {
    wrong.refuse(words);
    wrong.input.focus();
  }

  private async export(): Promise<void> {
    const person = this.read();
    if (person === null) return;
    this.exporting.disabled = true;
    try {
      await this.tell(await askFor("export", person), person, "It is being made, and is listed below.");
    } catch (error) {
      this.explain(error);
    } finally {
      this.exporting.disabled = false;
    }
  }

  private async erase(): Promise<void> {
    const person = this.read();
    if (person === null) return;
    const name = nameOf(person);
    const again = field({
      id: "person-again",
      label: `Type ${name} to confirm`,
      attributes: { autocomplete: "off", autocapitalize: "none", spellcheck: "false", autofocus: true },
    });
    let made: Request | null = null;
    let trouble: unknown;
    await openDialog({
      title: "Erase this person?",
      body: [
        element("p", {}, "Their conversations, calls, recordings, lines, end user and what names them go from this project for good. Of conversations with others, what they said goes."),
        element("p", { class: "section__hint" }, "It begins at once and cannot be undone. Export first what they may want. What stays is said in the receipt: your own settings, policies and the audit trail."),
        again.root,
      ],
      act: "Erase for good",
      isDangerous: true,
      submit: async () => {
        const isThem = isNamed(again.input.value, name);
        again.input.setAttribute("aria-invalid", String(!isThem));
        if (!isThem) {
          again.input.focus();
          throw new Refused(`That is not ${name}. Nothing was erased: type it as it stands above the field.`);
        }
        try {
          made = await askFor("erasure", person);
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          trouble = error; // it is said beside the field that it is about
        }
      },
    });
    if (trouble !== undefined) this.explain(trouble);
    else if (made !== null) await this.tell(made, person, "It has begun, and is listed below.");
  }

  private async tell(made: Request, person: Person, words: string): Promise<void> {
    for (const each of Object.values(this.fields)) each.input.value = "";
    setText(this.said, words);
    await this.asked.add(made, nameOf(person));
  }

  private explain(error: unknown): void {
    const refused = error instanceof ApiError ? error.fields.filter(({ field: name }) => name in this.fields) : [];
    for (const { field: name, problem } of [...refused].reverse()) this.refuse(this.fields[name as keyof Person], `${sentence(problem)}.`);
    if (refused.length === 0) this.problem.tell(wordsFor(error), error instanceof ApiError && error.status === 403 ? mend("Both need the scope privacy:write.") : null);
  }
}
