/** What stands around every page of the console: the menu, who is logged in, light or dark. */

import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";
import { ApiError } from "../platform/api";
import { isByKey } from "../platform/client";
import { type Account, logOut } from "../platform/account";
import { forgetKey } from "../platform/credentials";
import { projectChoice } from "./project";
import { linkOf, menu } from "./routes";
import { nextTheme, themeNow } from "./theme";

export class Shell {
  readonly outlet = element("main", { class: "outlet", id: "main" });
  readonly root: HTMLElement;

  private readonly links = new Map<string, HTMLAnchorElement>();
  private readonly opener = element(
    "button",
    { class: "button button--quiet bar__menu", type: "button", "aria-expanded": "false", "aria-controls": "menu" },
    icon("lines", 20),
    element("span", { class: "visually-hidden" }, "Menu"),
  );
  private readonly side: HTMLElement;

  constructor(account: Account, search: HTMLElement) {
    this.side = element(
      "aside",
      { class: "side", id: "menu", "aria-label": "Menu" },
      element("a", { class: "side__name", href: "/console" }, element("span", { class: "mark", "aria-hidden": "true" }), "Parley"),
      search,
      projectChoice(account),
      element(
        "nav",
        { class: "menu", "aria-label": "Console" },
        ...menu.map(({ title, links }) =>
          element(
            "section",
            { class: "menu__group" },
            element("h2", { class: "menu__title" }, title),
            element(
              "ul",
              {},
              ...links.map(({ path, words, icon: symbol }) => {
                const link = element("a", { class: "menu__link", href: path }, icon(symbol, 18), words);
                this.links.set(path, link);
                return element("li", {}, link);
              }),
            ),
          ),
        ),
      ),
      this.foot(account),
    );
    this.root = element(
      "div",
      { class: "frame" },
      element("a", { class: "skip", href: "#main" }, "To the page"),
      element(
        "header",
        { class: "bar" },
        this.opener,
        element("a", { class: "bar__name", href: "/console" }, element("span", { class: "mark", "aria-hidden": "true" }), "Parley"),
        element("span", { class: "bar__project", title: "Project" }, account.projectSlug),
      ),
      this.side,
      this.outlet,
    );
    this.opener.addEventListener("click", () => this.unfold(this.opener.getAttribute("aria-expanded") !== "true"));
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.opener.getAttribute("aria-expanded") !== "true") return;
      this.unfold(false);
      this.opener.focus();
    });
  }

  /** A page has been opened: the menu says which, and on a phone makes room for it. */
  show(path: string): void {
    const here = linkOf(path);
    for (const [of, link] of this.links) {
      if (of === here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.unfold(false);
  }

  private unfold(isOpen: boolean): void {
    this.opener.setAttribute("aria-expanded", String(isOpen));
    this.side.classList.toggle("side--open", isOpen);
  }

  private foot(account: Account): HTMLElement {
    const words = element("span", {}, isByKey() ? "Forget the key" : "Log out");
    const out = element("button", { class: "menu__link", type: "button" }, icon("leave", 18), words);
    out.addEventListener("click", () => void this.leave(out, words));
    const light = element("span", {});
    const theme = element("button", { class: "menu__link", type: "button" }, icon("contrast", 18), light);
    const say = (): void => setText(light, { auto: "Look: the system’s", light: "Look: light", dark: "Look: dark" }[themeNow()]);
    say();
    theme.addEventListener("click", () => {
      nextTheme();
      say();
    });
    return element(
      "div",
      { class: "side__foot" },
      element("a", { class: "menu__link", href: "/docs" }, icon("code", 18), "API reference"),
      theme,
      element("a", { class: "menu__link", href: "/console/settings", title: account.email }, icon("person", 18), element("span", { class: "side__who" }, account.email)),
      out,
    );
  }

  private async leave(button: HTMLButtonElement, words: HTMLElement): Promise<void> {
    button.disabled = true;
    try {
      if (!isByKey()) await logOut();
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) {
        button.disabled = false;
        setText(words, "Not logged out: try again");
        return;
      }
    }
    forgetKey();
    location.assign("/");
  }
}
