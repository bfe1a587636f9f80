/** A key for support: shown once, good for a day and one use; and when those before were used. */

import { Made } from "../console/made";
import { Problem, wordsFor } from "../console/shell";
import { element } from "../dom/element";
import type { Console } from "../platform/console";
import { type Section, sectionRoot, table } from "../console/section";
import { moment } from "../console/words";

export class SupportView implements Section {
  readonly id = "support";
  readonly title = "Support access key";
  readonly root: HTMLElement;

  private readonly list = element("div", {});
  private readonly made = new Made();
  private readonly problem = new Problem();
  private readonly button = element("button", { class: "button", type: "button" }, "Generate a key");

  constructor(private readonly console: Console) {
    this.button.addEventListener("click", () => void this.make());
    this.root = sectionRoot(
      this.id,
      this.title,
      element(
        "p",
        { class: "section__hint" },
        "If you need help from support, generate a key and share it. It expires in 24 hours, can be used once, and only reveals your account's activity. Without it nobody, the operator included, can view your private data.",
      ),
      this.list,
      this.made.root,
      this.problem.root,
      element("div", {}, this.button),
    );
  }

  async start(): Promise<void> {
    const rows = (await this.console.supportKeys()).map((key) => [
      moment(key.createdAt),
      moment(key.expiresAt),
      key.usedAt === null ? "Never" : moment(key.usedAt),
    ]);
    this.list.replaceChildren(table("Support access keys", ["Created", "Expires", "Used"], rows, "No support access keys yet"));
  }

  private async make(): Promise<void> {
    this.problem.clear();
    this.button.disabled = true;
    try {
      const key = await this.console.makeSupportKey();
      this.made.show("Your support access key, shown only now.", ["Key", key]);
      await this.start();
    } catch (error) {
      this.problem.tell(wordsFor(error));
    } finally {
      this.button.disabled = false;
    }
  }
}
