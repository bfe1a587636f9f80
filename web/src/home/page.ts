/** The home page: create a meeting, join one, and the first lines of code with a key. */

import { hostPage, meetingPage } from "../console/addresses";
import { field } from "../console/fields";
import { copyable } from "../console/copying";
import { Masthead } from "../console/masthead";
import { Problem, wordsFor } from "../console/problem";
import { botSnippet, createSnippet } from "../console/snippets";
import { element } from "../dom/element";
import { icon } from "../dom/icons";
import { ApiError } from "../platform/api";
import { type Account, createMeeting, ownAccount } from "../platform/account";
import { keepKey, keptKey } from "../platform/credentials";
import { makeKey } from "../platform/keys";

/** Noted in this tab before logging in, so that the click that was made is not asked for twice. */
const WANTED = "parley.create";

export class HomePage {
  private readonly masthead = new Masthead("/");
  private readonly problem = new Problem();
  private readonly create = element("button", { class: "button button--action button--large", type: "button" });
  private readonly key = element("div", { class: "start__key" });
  private readonly snippets = element("div", { class: "start__snippets" });
  private account: Account | null = null;

  constructor(root: HTMLElement) {
    this.create.append(icon("enter", 20), "Create a meeting");
    this.create.addEventListener("click", () => void this.createMeeting());
    root.append(
      this.masthead.root,
      element(
        "main",
        { class: "home" },
        element(
          "section",
          { class: "hero" },
          element("h1", {}, "Meet people, personas and bots"),
          element("p", { class: "hero__words" }, "On your own server. Start a meeting in a click, or from a line of code."),
          this.problem.root,
          element(
            "div",
            { class: "hero__doors" },
            element(
              "div",
              { class: "panel door-card" },
              element("h2", {}, "Create a meeting"),
              element("p", {}, "A new room at once. You are its host."),
              this.create,
            ),
            this.joinForm(),
          ),
        ),
        element(
          "section",
          { class: "start", "aria-labelledby": "start" },
          element("h2", { id: "start" }, "Quick start"),
          this.key,
          this.snippets,
        ),
        documents(),
      ),
    );
    this.drawSnippets();
  }

  async start(): Promise<void> {
    try {
      this.account = await ownAccount();
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
    this.masthead.update(this.account);
    this.drawKey();
    if (takeWish() && this.account !== null) await this.createMeeting();
  }

  private async createMeeting(): Promise<void> {
    this.problem.clear();
    this.create.disabled = true;
    try {
      const title = `Meeting of ${new Date().toLocaleDateString("en", { day: "numeric", month: "long" })}`;
      const { id, adminToken } = await createMeeting(title);
      location.assign(hostPage(id, adminToken));
    } catch (error) {
      this.create.disabled = false;
      if (error instanceof ApiError && error.status === 401) {
        wish();
        location.assign("/login?next=/");
        return;
      }
      this.problem.tell(wordsFor(error));
    }
  }

  private joinForm(): HTMLElement {
    const id = field({
      id: "meeting",
      label: "Meeting id or link",
      attributes: { required: true, autocomplete: "off", autocapitalize: "none", spellcheck: "false", placeholder: "abcd-efgh-jkmn" },
    });
    const problem = new Problem();
    const form = element(
      "form",
      { class: "panel door-card" },
      element("h2", {}, "Join a meeting"),
      id.root,
      problem.root,
      element("button", { class: "button", type: "submit" }, "Join"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const page = meetingPage(id.input.value, location.origin);
      id.input.setAttribute("aria-invalid", String(page === null));
      if (page === null) problem.tell("This is no meeting of this server. Paste its link, or the last part of it.");
      else location.assign(page);
    });
    return form;
  }

  /** Says whose key stands in the code, or how one comes there. */
  private drawKey(): void {
    if (keptKey() !== null) {
      this.key.replaceChildren(element("p", {}, "Your key stands in the code. It stays in this tab until you close it."));
    } else if (this.account === null) {
      this.key.replaceChildren(
        element("p", {}, element("a", { href: "/signup?next=/" }, "Sign up"), " for a key, or ", element("a", { href: "/login?next=/" }, "log in"), "."),
      );
    } else {
      const make = element("button", { class: "button", type: "button" }, icon("key", 18), "Make a key and put it in");
      const problem = new Problem();
      make.addEventListener("click", () => void this.makeKey(make, problem));
      this.key.replaceChildren(make, element("p", {}, "Or use one of those in ", element("a", { href: "/console/keys" }, "your keys"), "."), problem.root);
    }
  }

  private async makeKey(button: HTMLButtonElement, problem: Problem): Promise<void> {
    button.disabled = true;
    try {
      keepKey((await makeKey({ label: "Quick start" })).key);
      this.drawKey();
      this.drawSnippets();
    } catch (error) {
      button.disabled = false;
      problem.tell(wordsFor(error));
    }
  }

  private drawSnippets(): void {
    const key = keptKey() ?? "YOUR_API_KEY";
    this.snippets.replaceChildren(
      element("div", {}, element("h3", {}, "Create a meeting"), copyable(createSnippet(location.origin, key), "this command")),
      element("div", {}, element("h3", {}, "Bring a bot along, with socket.io-client"), copyable(botSnippet(location.origin, key), "this code")),
    );
  }
}

function documents(): HTMLElement {
  const pages = [
    ["/docs", "API reference", "Every operation, tried in the page; OpenAPI and Postman."],
    ["/docs/realtime", "Events", "All that Socket.IO and the monitor socket tell."],
    ["/talk", "Talk", "Speak with a persona in this browser."],
    ["/console", "Console", "Watch, understand, build and run all of it."],
  ] as const;
  return element(
    "nav",
    { class: "documents", "aria-label": "Documentation" },
    ...pages.map(([href, title, words]) =>
      element("a", { class: "panel documents__page", href }, element("strong", {}, title), element("span", {}, words)),
    ),
  );
}

function wish(): void {
  try {
    sessionStorage.setItem(WANTED, "1");
  } catch {
    // One click more.
  }
}

function takeWish(): boolean {
  try {
    const wished = sessionStorage.getItem(WANTED) !== null;
    sessionStorage.removeItem(WANTED);
    return wished;
  } catch {
    return false;
  }
}
