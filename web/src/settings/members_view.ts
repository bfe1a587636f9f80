/** The people of an account. */

import { field, select } from "../console/fields";
import { Records } from "../console/records";
import { sectionRoot, sureButton } from "../console/section";
import { date } from "../console/words";
import { element } from "../dom/element";
import { addMember, changeRole, type Member, members, removeMember, type Role } from "../platform/projects";

const ROLES = [
  ["member", "Member"],
  ["owner", "Owner"],
] as const;

export class MembersView {
  readonly id = "members";
  readonly title = "Members";
  readonly root: HTMLElement;

  private readonly list: Records<Member> = new Records({
    label: "Members",
    columns: ["E-mail address", "Name", "Role", "Added", ""],
    read: members,
    cells: (member) => [
      member.email,
      member.name || "–",
      this.roleOf(member),
      date(member.createdAt),
      sureButton("Remove", "Remove for good?", member.email, () => this.list.change(() => removeMember(member.id))),
    ],
    empty: () => "No members yet",
  });
  private readonly email = field({
    id: "member-email",
    label: "E-mail address",
    type: "email",
    attributes: { required: true, maxlength: "254", autocomplete: "off" },
  });
  private readonly name = field({ id: "member-name", label: "Name", attributes: { maxlength: "200", autocomplete: "off" } });
  private readonly role = select({ id: "member-role", label: "Role", choices: ROLES });
  private readonly submit = element("button", { class: "button button--action", type: "submit" }, "Add member");

  constructor() {
    const form = element("form", { class: "row-form" }, this.email.root, this.name.root, this.role.root, this.submit);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.add();
    });
    this.root = sectionRoot(
      this.id,
      this.title,
      element("p", { class: "section__hint" }, "Who belongs to the account. One owner always stays. Logging in is still by the account's own e-mail address."),
      this.list.root,
      element("h3", {}, "Add a member"),
      form,
    );
  }

  start(signal: AbortSignal): Promise<void> {
    return this.list.start(signal);
  }

  private roleOf(member: Member): HTMLElement {
    const choice = element(
      "select",
      { class: "field__input settings__role", "aria-label": `Role of ${member.email}` },
      ...ROLES.map(([value, words]) => element("option", { value, selected: value === member.role }, words)),
    );
    choice.addEventListener("change", () => void this.list.change(() => changeRole(member.id, choice.value as Role)));
    return choice;
  }

  private async add(): Promise<void> {
    this.submit.disabled = true;
    const isDone = await this.list.change(() => addMember(this.email.input.value.trim(), this.name.input.value.trim(), this.role.input.value as Role));
    this.submit.disabled = false;
    if (isDone) this.email.input.value = this.name.input.value = "";
  }
}
