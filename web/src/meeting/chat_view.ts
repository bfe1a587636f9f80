/** The chat: lines as they come, and what one writes. */

import { element } from "../dom/element";
import { EndFollower } from "../dom/end_follower";
import { icon } from "../dom/icons";
import { linked } from "../dom/linked";
import type { ChatLine } from "./board";

const LONGEST = 4_000;
const TOGETHER_MS = 120_000;

export class ChatView {
  readonly root: HTMLElement;

  private readonly lines = element("ol", { class: "chat__lines" });
  private readonly empty = element("p", { class: "log__empty" }, "Nothing has been written yet.");
  private readonly input: HTMLTextAreaElement;
  private readonly follower: EndFollower;
  private readonly shown = new Map<number, HTMLElement>();
  private last: ChatLine | null = null;

  constructor(send: (text: string) => void) {
    const scroller = element("div", { class: "log__scroller", tabindex: "0", role: "log", "aria-label": "Chat", "aria-live": "off" }, this.empty, this.lines);
    this.follower = new EndFollower(scroller);
    this.input = element("textarea", { class: "chat__input", rows: "1", maxlength: String(LONGEST), placeholder: "Write to everybody", "aria-label": "Message" });
    const submit = element("button", { class: "button button--action chat__send", type: "submit", "aria-label": "Send" }, icon("send", 18));
    const form = element("form", { class: "chat__form" }, this.input, submit);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.input.value.trim();
      if (text === "") return;
      this.input.value = "";
      this.grow();
      send(text);
      this.follower.follow();
    });
    this.input.addEventListener("input", () => this.grow());
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    this.root = element("div", { class: "chat" }, element("div", { class: "log" }, scroller, this.follower.latest), form);
  }

  update(chat: readonly ChatLine[]): void {
    this.empty.hidden = chat.length > 0;
    const kept = new Set(chat.map((line) => line.key));
    for (const [key, shown] of this.shown) {
      if (kept.has(key)) continue;
      shown.remove();
      this.shown.delete(key);
    }
    for (const line of chat) {
      const shown = this.shown.get(line.key) ?? this.add(line);
      shown.dataset["state"] = line.state;
    }
    this.follower.grown();
  }

  focus(): void {
    this.input.focus();
    this.follower.follow();
  }

  private add(line: ChatLine): HTMLElement {
    const goesOn = this.last?.from === line.from && line.at.getTime() - this.last.at.getTime() < TOGETHER_MS;
    this.last = line;
    const head = element(
      "p",
      { class: "line__head" },
      element("span", { class: "line__speaker" }, line.own ? "You" : line.name),
      element("time", { class: "line__time", datetime: line.at.toISOString() }, line.at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })),
    );
    const words = element("p", { class: "line__words" }, ...linked(line.text));
    const shown = element(
      "li",
      { class: `line chat__line${line.own ? " line--you" : ""}${goesOn ? " line--goes-on" : ""}` },
      ...(goesOn ? [] : [head]),
      words,
      element("p", { class: "chat__failed" }, "Not sent"),
    );
    this.lines.append(shown);
    this.shown.set(line.key, shown);
    return shown;
  }

  private grow(): void {
    this.input.rows = Math.min(5, Math.max(1, this.input.value.split("\n").length));
  }
}
