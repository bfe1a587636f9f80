/** A dialog over the page: a form, or a question. The browser keeps the focus inside and closes it with Escape. */

import { element } from "../dom/element";
import { icon } from "../dom/icons";
import { Problem, wordsFor } from "./problem";

export interface DialogOptions {
  readonly title: string;
  readonly body: readonly Node[];
  /** Words of the button that does it. */
  readonly act: string;
  readonly isDangerous?: boolean;
  /** Does it; what it throws is told in the dialog, which then stays open. */
  readonly submit: () => Promise<void>;
}

/** Closes what is open: the page it belongs to is left. */
export function closeDialogs(): void {
  for (const dialog of document.querySelectorAll<HTMLDialogElement>("dialog[open]")) dialog.close();
}

/** Opens a dialog; resolves when it is closed, with whether it was submitted. */
export function openDialog({ title, body, act, isDangerous = false, submit }: DialogOptions): Promise<boolean> {
  const problem = new Problem();
  const button = element("button", { class: `button ${isDangerous ? "button--danger" : "button--action"}`, type: "submit" }, act);
  const close = element("button", { class: "button button--quiet", type: "button", "aria-label": "Close" }, icon("close", 18));
  const form = element(
    "form",
    { class: "dialog__form" },
    element("div", { class: "dialog__head" }, element("h2", { id: "dialog-title" }, title), close),
    problem.root,
    ...body,
    element("div", { class: "dialog__foot" }, button),
  );
  const dialog = element("dialog", { class: "dialog panel", "aria-labelledby": "dialog-title" }, form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    let doing: Promise<boolean> = Promise.resolve(false);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(doing); // what is under way when it is closed may still be done
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      button.disabled = true;
      problem.clear();
      doing = submit().then(
        () => {
          dialog.close();
          return true;
        },
        (error: unknown) => {
          button.disabled = false;
          problem.tell(wordsFor(error));
          return false;
        },
      );
    });
    dialog.showModal();
  });
}
