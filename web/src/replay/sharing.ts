/** Links that show this session to others: made, listed, taken back. */

import { select } from "../console/fields";
import { Records } from "../console/records";
import { sureButton, tag, timeTag } from "../console/section";
import { copyable } from "../console/copying";
import { moment } from "../console/words";
import { element } from "../dom/element";
import { revokeShare, type Share, share, shares } from "../platform/replay";

const DAY = 24 * 3600;

export class Sharing {
  readonly root: HTMLElement;

  private readonly made = element("div", { class: "made", role: "status" });
  private readonly list: Records<Share> = new Records({
    label: "Links",
    columns: ["Made", "State", "Opened", ""],
    read: (signal) => shares(this.sessionId, signal),
    cells: (each) => [
      timeTag(each.createdAt),
      stateOf(each),
      String(each.opened),
      each.isActive ? sureButton("Revoke", "Really revoke", `the link of ${moment(each.createdAt)}`, () => this.list.change(() => revokeShare(this.sessionId, each.id))) : "",
    ],
    empty: () => "No link was made so far.",
  });

  constructor(private readonly sessionId: number) {
    const length = select({
      id: "share-length",
      label: "Opens for",
      choices: [[String(3600), "an hour"], [String(DAY), "a day"], [String(7 * DAY), "a week"], [String(30 * DAY), "30 days"]],
      value: String(7 * DAY),
    });
    const button = element("button", { class: "button button--action button--small", type: "submit" }, "Make a link");
    const form = element("form", { class: "row-form" }, length.root, button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      button.disabled = true;
      void this.make(Number(length.input.value)).finally(() => {
        button.disabled = false;
      });
    });
    const hint = "Whoever has the link hears and reads this conversation, without costs and numbers, until it expires or you take it back.";
    this.root = element("div", { class: "stack share" }, element("p", { class: "section__hint" }, hint), form, this.made, this.list.root);
  }

  start(signal: AbortSignal): Promise<void> {
    return this.list.start(signal);
  }

  private async make(seconds: number): Promise<void> {
    const url = await this.list.attempt(() => share(this.sessionId, seconds));
    if (url === null) return;
    this.made.replaceChildren(element("p", { class: "section__hint" }, "Copy it now: it is not shown again."), copyable(url, "the link"));
    await this.list.refresh();
  }
}

function stateOf(each: Share): HTMLElement {
  if (each.revokedAt !== null) return tag("Revoked", "failed");
  return each.isActive ? tag(`Until ${moment(each.expiresAt)}`, "active") : tag("Expired");
}
