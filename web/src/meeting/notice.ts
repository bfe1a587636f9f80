/** A page that says one thing: a heading, a sentence, what can be done. */

import { element } from "../dom/element";
import { icon } from "../dom/icons";

export function notice(title: string, words: string, actions: HTMLElement[]): HTMLElement {
  return element(
    "main",
    { class: "outcome" },
    element("span", { class: "outcome__mark", "aria-hidden": "true" }, icon("door", 28)),
    element("h1", { class: "outcome__title", tabindex: "-1" }, title),
    element("p", { class: "outcome__words", role: "status" }, words),
    element("div", { class: "outcome__actions" }, ...actions),
  );
}

export function action(words: string, classes: string, act: () => void): HTMLButtonElement {
  const button = element("button", { class: `button ${classes}`, type: "button" }, words);
  button.addEventListener("click", act);
  return button;
}
