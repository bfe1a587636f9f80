/** Links that show this session to others: made, listed, taken back. */

import { select } from "../console/fields";
import { sureButton, table, tag, timeTag } from "../console/section";
import { copyable, Problem, wordsFor } from "../console/shell";
import { moment } from "../console/words";
import { element } from "../dom/element";
import { revokeShare, type Share, share, shares } from "../platform/replay";

const DAY = 24 * 3600;

export class Sharing {
  readonly root: HTMLElement;

  private readonly made = element("div", { class: "made", role: "status" });
  private readonly list = element("div", {});
  private readonly problem = new Problem();

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
    this.root = element("div", { class: "stack share" }, element("p", { class: "section__hint" }, hint), form, this.problem.root, this.made, this.list);
  }

  async start(signal?: AbortSignal): Promise<void> {
    try {
      this.draw(await shares(this.sessionId, signal));
    } catch (error) {
      if (signal?.aborted !== true) this.problem.tell(wordsFor(error));
    }
  }

  private async make(seconds: number): Promise<void> {
    this.problem.clear();
    try {
      const url = await share(this.sessionId, seconds);
      const words = "Copy it now: it is not shown again.";
      this.made.replaceChildren(element("p", { class: "section__hint" }, words), copyable(url, "the link"));
      await this.start();
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }

  private draw(all: readonly Share[]): void {
    const rows = all.map((each) => [timeTag(each.createdAt), stateOf(each), String(each.opened), each.isActive ? this.revoke(each) : ""]);
    this.list.replaceChildren(table("Links", ["Made", "State", "Opened", ""], rows, "No link was made so far."));
  }

  private revoke(each: Share): HTMLElement {
    return sureButton("Revoke", "Really revoke", `the link of ${moment(each.createdAt)}`, async () => {
      try {
        await revokeShare(this.sessionId, each.id);
        await this.start();
      } catch (error) {
        this.problem.tell(wordsFor(error));
      }
    });
  }
}

function stateOf(each: Share): HTMLElement {
  if (each.revokedAt !== null) return tag("Revoked", "failed");
  return each.isActive ? tag(`Until ${moment(each.expiresAt)}`, "active") : tag("Expired");
}
