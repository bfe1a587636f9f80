/** Sends a bot to a meeting. */

import { field, select } from "../console/fields";
import { Problem, wordsFor } from "../console/problem";
import { sectionRoot } from "../console/section";
import { element } from "../dom/element";
import { type BotWish, sendBot } from "../platform/bots";

const MODES: [BotWish["recordingMode"], string][] = [
  ["speaker_view", "Whoever speaks"],
  ["gallery_view", "Everybody"],
  ["audio_only", "Sound only"],
];

export class SendView {
  readonly root: HTMLElement;

  private readonly problem = new Problem();
  private readonly link = field({
    id: "meeting-url",
    label: "Meeting",
    attributes: { required: true, autocomplete: "off", spellcheck: "false" },
  });
  private readonly name = field({ id: "bot-name", label: "Name in the meeting", attributes: { required: true, maxlength: "100", value: "Notetaker" } });
  private readonly mode = select({ id: "mode", label: "Records", choices: MODES });
  private readonly transcribe = element("input", { type: "checkbox", id: "transcribe", checked: true });
  private readonly submit = element("button", { class: "button button--action", type: "submit" }, "Send bot");

  /** `sent` hears of the bot. */
  constructor(private readonly sent: (uuid: string) => void) {
    const form = element(
      "form",
      { class: "row-form" },
      this.link.root,
      this.name.root,
      this.mode.root,
      element("label", { class: "choice" }, this.transcribe, "Write down what is said"),
      this.submit,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.send();
    });
    const hint = element("p", { class: "section__hint" }, "To a link of this server, or to whatever a sip: or tel: address reaches.");
    this.root = sectionRoot("send", "Send a bot", hint, form, this.problem.root);
  }

  private async send(): Promise<void> {
    this.problem.clear();
    this.submit.disabled = true;
    try {
      const uuid = await sendBot({
        meetingUrl: this.link.input.value.trim(),
        name: this.name.input.value.trim(),
        recordingMode: this.mode.input.value as BotWish["recordingMode"],
        transcribe: this.transcribe.checked,
      });
      this.link.input.value = "";
      this.sent(uuid);
    } catch (error) {
      this.problem.tell(wordsFor(error));
    } finally {
      this.submit.disabled = false;
    }
  }
}
