/** A key for support: shown once, good for a day and one use; and when those before were used. */

import { Made } from "../console/made";
import { element } from "../dom/element";
import { makeSupportKey, type SupportKey, supportKeys } from "../platform/account";
import { Records } from "../console/records";
import { sectionRoot } from "../console/section";
import { moment } from "../console/words";

export class SupportView {
  readonly id = "support";
  readonly title = "Support access key";
  readonly root: HTMLElement;

  private readonly list: Records<SupportKey> = new Records({
    label: "Support access keys",
    columns: ["Created", "Expires", "Used"],
    read: supportKeys,
    cells: (key) => [moment(key.createdAt), moment(key.expiresAt), key.usedAt === null ? "Never" : moment(key.usedAt)],
    empty: () => "No support access keys yet",
  });
  private readonly made = new Made();
  private readonly button = element("button", { class: "button", type: "button" }, "Generate a key");

  constructor() {
    this.button.addEventListener("click", () => void this.make());
    this.root = sectionRoot(
      this.id,
      this.title,
      element(
        "p",
        { class: "section__hint" },
        "If you need help from support, generate a key and share it. It expires in 24 hours, can be used once, and only reveals your account's activity. Without it nobody, the operator included, can view your private data.",
      ),
      this.list.root,
      this.made.root,
      element("div", {}, this.button),
    );
  }

  start(signal: AbortSignal): Promise<void> {
    return this.list.start(signal);
  }

  private async make(): Promise<void> {
    this.button.disabled = true;
    const key = await this.list.attempt(makeSupportKey);
    this.button.disabled = false;
    if (key === null) return;
    this.made.show("Your support access key, shown only now.", ["Key", key]);
    await this.list.refresh();
  }
}
