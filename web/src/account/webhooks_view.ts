/** Webhooks: which there are, a new one with the events it is to hear, removing one. */

import { field } from "../console/fields";
import { copyable, Problem, wordsFor } from "../console/shell";
import { element } from "../dom/element";
import type { Console, Webhook } from "../platform/console";
import { type Section, sectionRoot, sureButton, table } from "../console/section";
import { date } from "../console/words";

const EVENTS = ["meeting.started", "meeting.ended", "meeting.chat", "meeting.waiting", "session.started", "session.ended", "analysis.ready"];

export class WebhooksView implements Section {
  readonly id = "webhooks";
  readonly title = "Webhooks";
  readonly root: HTMLElement;

  private readonly list = element("div", {});
  private readonly made = element("div", { class: "made", "aria-live": "polite" });
  private readonly problem = new Problem();
  private readonly url = field({
    id: "url",
    label: "Address",
    type: "url",
    attributes: { required: true, maxlength: "2000", placeholder: "https://example.com/hook", autocomplete: "off" },
  });
  private readonly boxes = EVENTS.map((name) => element("input", { type: "checkbox", id: `event-${name}`, name: "events", value: name }));
  private readonly submit = element("button", { class: "button button--action", type: "submit" }, "Add webhook");

  constructor(private readonly console: Console) {
    const form = element(
      "form",
      { class: "stack-form" },
      this.url.root,
      element(
        "fieldset",
        { class: "choices" },
        element("legend", { class: "field__label" }, "Events"),
        ...this.boxes.map((box) => element("label", { class: "choice", for: box.id }, box, box.value)),
        element("p", { class: "field__hint" }, "None chosen: the usual ones of rooms, sessions, recordings, calls and knowledge."),
      ),
      this.submit,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.add();
    });
    this.root = sectionRoot(
      this.id,
      this.title,
      this.list,
      element("h3", {}, "Add webhook"),
      element("p", { class: "section__hint" }, "Each delivery carries X-Signature: sha256=HMAC of the body, keyed with the webhook's secret."),
      this.made,
      this.problem.root,
      form,
    );
  }

  async start(): Promise<void> {
    try {
      this.draw(await this.console.webhooks());
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }

  private draw(webhooks: Webhook[]): void {
    const rows = webhooks.map((webhook) => [
      element("span", { class: "address" }, webhook.url),
      webhook.events === null ? "The usual ones" : webhook.events.join(", "),
      element("span", { class: "tag", "data-state": webhook.isActive ? "active" : "revoked" }, webhook.isActive ? "Active" : "Off"),
      date(webhook.createdAt),
      sureButton("Remove", "Remove for good?", webhook.url, () => this.remove(webhook)),
    ]);
    this.list.replaceChildren(table("Webhooks", ["URL", "Events", "Status", "Created", ""], rows, "No webhooks yet"));
  }

  private async add(): Promise<void> {
    this.problem.clear();
    this.submit.disabled = true;
    try {
      const events = this.boxes.filter((box) => box.checked).map((box) => box.value);
      const secret = await this.console.addWebhook(this.url.input.value.trim(), events);
      this.url.input.value = "";
      for (const box of this.boxes) box.checked = false;
      this.made.replaceChildren(element("p", { class: "section__hint" }, "Its secret, shown only now."), copyable(secret, "the secret"));
      await this.start();
    } catch (error) {
      this.problem.tell(wordsFor(error));
    } finally {
      this.submit.disabled = false;
    }
  }

  private async remove(webhook: Webhook): Promise<void> {
    this.problem.clear();
    try {
      await this.console.removeWebhook(webhook.id);
      await this.start();
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }
}
