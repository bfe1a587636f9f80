import { element } from "../dom/element";
import { KeyForm } from "../dom/key_form";
import { reloadWhenBack } from "../console/masthead";
import { Problem, wordsFor } from "../console/problem";
import { ApiError } from "../platform/api";
import { signInWith } from "../platform/client";
import { type Account, ownAccount } from "../platform/account";
import { forgetKey, keepKey, keptKey, takeKeyFromAddress } from "../platform/credentials";
import { settle } from "../platform/settling";
import { movedTo } from "./moved";
import { Palette } from "./palette";
import { Router } from "./router";
import { Shell } from "./shell";
import { restoreTheme } from "./theme";

const root = document.querySelector<HTMLElement>("#page");
if (root === null) throw new Error("console.html has no #page");
const page = root;
restoreTheme();
const moved = movedTo(location.pathname, location.hash);
if (moved !== null) history.replaceState(null, "", moved);
reloadWhenBack();
void begin();

/** Whose console this is: a key that the address brought comes first, then the session, then the key of the tab. */
async function begin(): Promise<void> {
  signInWith(takeKeyFromAddress());
  try {
    let account = await ownAccount();
    const kept = keptKey();
    if (account === null && kept !== null) {
      signInWith(kept);
      account = await ownAccount();
      if (account === null) forgetKey();
    }
    if (account === null) askWho();
    else show(await settle(account));
  } catch (error) {
    console.error(error);
    const problem = new Problem();
    problem.tell(error instanceof ApiError && error.status === 403 ? "This key may not read the account." : wordsFor(error));
    page.replaceChildren(element("main", { class: "door" }, problem.root));
  }
}

function show(account: Account): void {
  const palette = new Palette((path) => router.go(path));
  const shell = new Shell(account, palette.opener);
  const router = new Router(shell.outlet, account, (path) => shell.show(path));
  page.replaceChildren(shell.root);
  router.start();
}

function askWho(): void {
  const form = new KeyForm((key) => {
    keepKey(key);
    location.reload();
  });
  const next = `?next=${encodeURIComponent(location.pathname + location.search)}`;
  page.replaceChildren(
    element(
      "main",
      { class: "door" },
      element(
        "section",
        { class: "panel door__panel" },
        element("h1", {}, "Parley console"),
        element(
          "p",
          { class: "door__links" },
          element("a", { class: "button button--action", href: `/login${next}` }, "Log in"),
          element("a", { class: "button", href: `/signup${next}` }, "Sign up"),
        ),
        element("p", { class: "field__hint" }, "Or with an API key of a project:"),
        form.root,
      ),
    ),
  );
  document.documentElement.dataset["phase"] = "door";
}
