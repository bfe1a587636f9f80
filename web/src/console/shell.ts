/** What the pages of the console have in common: the masthead, words for what went wrong, things to copy. */

import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";
import { ApiError } from "../platform/api";
import type { Account, Console } from "../platform/console";
import { forgetKey } from "../platform/credentials";

/** The masthead with its links; `update` says who has logged in. */
export class Masthead {
  readonly root: HTMLElement;

  private readonly who = element("div", { class: "top__who" });

  constructor(
    private readonly console: Console,
    here: string,
  ) {
    const links = [
      ["/", "Home"],
      ["/console", "Console"],
      ["/docs", "API"],
      ["/docs/realtime", "Events"],
    ] as const;
    this.root = element(
      "header",
      { class: "top" },
      element("a", { class: "top__name", href: "/" }, element("span", { class: "mark", "aria-hidden": "true" }), "Parley"),
      element(
        "nav",
        { class: "top__links", "aria-label": "Pages" },
        ...links.map(([href, words]) => element("a", href === here ? { href, "aria-current": "page" } : { href }, words)),
      ),
      this.who,
    );
  }

  update(account: Account | null): void {
    if (account === null) {
      this.who.replaceChildren(
        element("a", { class: "button button--quiet", href: "/login" }, "Log in"),
        element("a", { class: "button button--small", href: "/signup" }, "Sign up"),
      );
      return;
    }
    const out = element("button", { class: "button button--quiet", type: "button" }, "Log out");
    out.addEventListener("click", () => void this.leave(out));
    this.who.replaceChildren(element("span", { class: "top__email", title: account.email }, account.email), out);
  }

  private async leave(button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    try {
      await this.console.logOut();
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) {
        button.disabled = false;
        setText(button, "Not logged out: try again");
        return;
      }
    }
    forgetKey();
    location.assign("/");
  }
}

/** A page that comes back from the history of the browser may show what its reader has logged out of. */
export function reloadWhenBack(): void {
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
}

/** What a page refuses by itself, before it asks the server; its message is for people. */
export class Refused extends Error {
  override readonly name = "Refused";
}

/** What went wrong, for people. */
export function wordsFor(error: unknown): string {
  if (error instanceof Refused) return error.message;
  if (!(error instanceof ApiError)) return "The server does not answer. Try again in a moment.";
  if (error.status === 429 && error.retryAfterSeconds !== null) {
    return `Too many tries. Wait ${error.retryAfterSeconds} seconds and try again.`;
  }
  if (error.fields.length > 0) return error.fields.map(({ field, problem }) => `${fieldWords(field)} ${problem}.`).join(" ");
  return error.message.replace(/^Invalid request: /, "Not accepted: ");
}

/** `phone_number` as “Phone number”. */
function fieldWords(field: string): string {
  const words = field.replaceAll("_", " ").replaceAll(".", " › ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A place for what went wrong; screen readers are told when it fills. */
export class Problem {
  readonly root = element("div", { class: "problem", role: "alert" });

  tell(words: string): void {
    this.root.replaceChildren(
      element("div", { class: "notice notice--danger" }, icon("alert", 20), element("p", { class: "notice__title" }, words)),
    );
  }

  clear(): void {
    this.root.replaceChildren();
  }
}

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
