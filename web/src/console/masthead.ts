/** The head of the pages that stand outside the console. */

import { element, setText } from "../dom/element";
import { ApiError } from "../platform/api";
import { type Account, logOut } from "../platform/account";
import { forgetKey } from "../platform/credentials";

/** The masthead with its links; `update` says who has logged in. */
export class Masthead {
  readonly root: HTMLElement;

  private readonly who = element("div", { class: "top__who" });

  constructor(here: string) {
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
      await logOut();
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
