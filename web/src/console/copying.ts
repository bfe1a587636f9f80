/** Text to be copied. */

import { element } from "../dom/element";
import { icon } from "../dom/icons";

/** Text in a box with a button that copies it. */
export function copyable(text: string, what: string): HTMLElement {
  return element("div", { class: "code" }, element("pre", { tabindex: "0" }, element("code", {}, text)), copyButton(text, what));
}

/** A button that copies a text that stands beside it. */
export function copyButton(text: string, what: string): HTMLButtonElement {
  const button = element("button", { class: "button button--quiet copy", type: "button", "aria-label": `Copy ${what}` }, icon("copy", 16));
  button.addEventListener("click", () => void copy(text, button, what));
  return button;
}

async function copy(text: string, button: HTMLButtonElement, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    return; // the text stands beside the button
  }
  button.replaceChildren(icon("check", 16));
  button.setAttribute("aria-label", "Copied");
  setTimeout(() => {
    button.replaceChildren(icon("copy", 16));
    button.setAttribute("aria-label", `Copy ${what}`);
  }, 2_000);
}
