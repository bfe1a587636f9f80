/** API keys: which there are, a new one, revoking one. */

import { field } from "../console/fields";
import { copyable, Problem, wordsFor } from "../console/shell";
import { createSnippet, listSnippet } from "../console/snippets";
import { element } from "../dom/element";
import type { Console, Key } from "../platform/console";
import { type Section, sectionRoot, sureButton, table } from "../console/section";
import { date, moment } from "../console/words";

const states: Record<Key["status"], string> = { active: "Active", expired: "Expired", revoked: "Revoked" };

export class KeysView implements Section {
  readonly id = "keys";
  readonly title = "Your API keys";
  readonly root: HTMLElement;

  private readonly list = element("div", {});
  private readonly made = element("div", { class: "made", "aria-live": "polite" });
  private readonly problem = new Problem();
  private readonly label = field({ id: "label", label: "Label", attributes: { required: true, maxlength: "100", autocomplete: "off" } });
  private readonly submit = element("button", { class: "button button--action", type: "submit" }, "Create key");

  constructor(
    private readonly console: Console,
    private readonly changed: () => void,
  ) {
    const form = element("form", { class: "row-form" }, this.label.root, this.submit);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.make();
    });
    this.root = sectionRoot(
      this.id,
      this.title,
      element("p", { class: "section__hint" }, "At most 5 active keys. Send one as X-API-Key with every request."),
      this.list,
      this.made,
      this.problem.root,
      form,
      element("h3", {}, "Using your API key"),
      copyable(createSnippet(location.origin, "YOUR_API_KEY"), "how to create a meeting"),
      copyable(listSnippet(location.origin, "YOUR_API_KEY"), "how to list your meetings"),
    );
  }

  async start(): Promise<void> {
    try {
      this.draw(await this.console.keys());
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }

  private draw(keys: Key[]): void {
    const rows = keys.map((key) => [
      element("code", {}, `${key.prefix}…`),
      key.label,
      element("span", { class: "tag", "data-state": key.status }, states[key.status]),
      key.lastUsedAt === null ? "Never" : moment(key.lastUsedAt),
      date(key.createdAt),
      key.status === "active" ? sureButton("Revoke", "Revoke for good?", key.label, () => this.revoke(key)) : "",
    ]);
    this.list.replaceChildren(table("API keys", ["Key", "Label", "Status", "Last used", "Created", ""], rows, "No API keys yet"));
  }

  private async make(): Promise<void> {
    this.problem.clear();
    this.submit.disabled = true;
    try {
      const key = await this.console.makeKey(this.label.input.value.trim());
      this.label.input.value = "";
      this.made.replaceChildren(
        element("p", { class: "section__hint" }, "Your new key. It is shown only now: keep it somewhere safe."),
        copyable(key, "the key"),
      );
      this.changed();
      await this.start();
    } catch (error) {
      this.problem.tell(wordsFor(error));
    } finally {
      this.submit.disabled = false;
    }
  }

  private async revoke(key: Key): Promise<void> {
    this.problem.clear();
    try {
      await this.console.revokeKey(key.id);
      this.changed();
      await this.start();
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }
}
