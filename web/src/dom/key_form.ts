/** Asks for the API key of a page, and shows the way in for who has an account. */

import { element, setText } from "./element";

export class KeyForm {
  readonly root: HTMLFormElement;

  private readonly input: HTMLInputElement;
  private readonly submit: HTMLButtonElement;

  /** `login`: the page to which whoever logs in comes back; null where the form does not offer it. */
  constructor(enterKey: (key: string) => void, login: string | null = null) {
    this.input = element("input", {
      class: "field__input",
      id: "key",
      name: "key",
      type: "password",
      required: true,
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
      placeholder: "pk_…",
      "aria-describedby": "key-hint",
    });
    this.submit = element("button", { class: "button button--action", type: "submit" }, "Continue");
    this.root = element(
      "form",
      { class: "key" },
      element(
        "div",
        { class: "field" },
        element("label", { class: "field__label", for: "key" }, "API key"),
        this.input,
        element(
          "p",
          { class: "field__hint", id: "key-hint" },
          "It stays in this tab until you close it. A link that ends in #key=pk_… brings its key along.",
        ),
      ),
      this.submit,
      login === null ? null : wayIn(login),
    );
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      const key = this.input.value.trim();
      if (key !== "") enterKey(key);
    });
  }

  /** `refused`: the last key was not good; it is selected, so that pasting replaces it. */
  update({ checking, refused }: { checking: boolean; refused: boolean }): void {
    this.input.setAttribute("aria-invalid", String(refused));
    this.submit.disabled = checking;
    setText(this.submit, checking ? "Checking" : "Continue");
    if (refused && !checking) this.input.select();
  }

  focus(): void {
    this.input.focus();
  }
}

function wayIn(back: string): HTMLElement {
  const login = element("a", { href: `/login?${new URLSearchParams({ next: back })}` }, "Log in");
  return element("p", { class: "field__hint" }, login, ", and no key is needed.");
}
