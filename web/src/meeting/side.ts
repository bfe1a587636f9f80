/** The panel beside the stage: chat or participants; on a phone over it. */

import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";

export class Side {
  readonly root: HTMLElement;
  private readonly title = element("h2", { class: "side__title", tabindex: "-1" });

  constructor(
    private readonly views: Readonly<Record<"chat" | "people", { readonly root: HTMLElement }>>,
    close: () => void,
  ) {
    const button = element("button", { class: "button button--quiet side__close", type: "button", "aria-label": "Close the panel", title: "Close (Esc)" }, icon("close", 18));
    button.addEventListener("click", close);
    this.root = element("aside", { class: "side panel", hidden: true }, element("header", { class: "side__head" }, this.title, button), views.chat.root, views.people.root);
  }

  update(shown: "chat" | "people" | null, people: number): void {
    this.root.hidden = shown === null;
    this.views.chat.root.hidden = shown !== "chat";
    this.views.people.root.hidden = shown !== "people";
    if (shown === null) return;
    const words = shown === "chat" ? "Chat" : `Participants (${people})`;
    setText(this.title, words);
    this.root.setAttribute("aria-label", shown === "chat" ? "Chat" : "Participants");
  }

  focus(): void {
    this.title.focus();
  }
}
