/** The pages /login, /signup and /reset: one form, with or without name and address. */

import { nextPage } from "../console/addresses";
import { field } from "../console/fields";
import { Masthead } from "../console/masthead";
import { Problem, wordsFor } from "../console/problem";
import { element } from "../dom/element";
import { ApiError } from "../platform/api";
import { logIn, resetPassword, signUp } from "../platform/account";
import { keepKey } from "../platform/credentials";

const root = document.querySelector<HTMLElement>("#page");
if (root === null) throw new Error("entry.html has no #page");

const isNew = location.pathname === "/signup";
const isReset = location.pathname === "/reset";
const setsPassword = isNew || isReset;
// The link of the operator says who it is; it must not stay in the address bar.
const resetToken = isReset ? location.hash.slice(1) : "";
if (isReset) history.replaceState(null, "", location.pathname);
const masthead = new Masthead(location.pathname);
masthead.update(null);
const problem = new Problem();

const email = field({
  id: "email",
  label: "E-mail address",
  type: "email",
  attributes: { required: true, autocomplete: "username", autocapitalize: "none", spellcheck: "false", maxlength: "254" },
});
const name = field({ id: "name", label: "Name", hint: "Optional.", attributes: { autocomplete: "name", maxlength: "200" } });
const password = field({
  id: "password",
  label: isReset ? "New password" : "Password",
  type: "password",
  ...(setsPassword ? { hint: "At least 8 characters; a sentence is best." } : {}),
  attributes: {
    required: true,
    autocomplete: setsPassword ? "new-password" : "current-password",
    maxlength: "200",
    ...(setsPassword ? { minlength: "8" } : {}),
  },
});
const submit = element("button", { class: "button button--action", type: "submit" }, isReset ? "Set the password" : isNew ? "Sign up" : "Log in");
const form = element(
  "form",
  { class: "entry__form", "aria-labelledby": "title" },
  problem.root,
  isReset ? null : email.root,
  isNew ? name.root : null,
  password.root,
  submit,
);
const other = setsPassword ? "/login" : "/signup";
root.append(
  masthead.root,
  element(
    "main",
    { class: "entry" },
    element(
      "section",
      { class: "panel entry__panel" },
      element("h1", { id: "title" }, isReset ? "Set another password" : isNew ? "Make an account" : "Log in"),
      form,
      element(
        "p",
        { class: "entry__other" },
        isReset ? "You remember it? " : isNew ? "You have one? " : "No account yet? ",
        element("a", { href: other + location.search }, setsPassword ? "Log in" : "Sign up"),
      ),
    ),
  ),
);
document.title = isReset ? "Set another password · Parley" : isNew ? "Sign up · Parley" : "Log in · Parley";

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void enter();
});
(isReset ? password : email).input.focus();

async function enter(): Promise<void> {
  submit.disabled = true;
  problem.clear();
  try {
    if (isNew) keepKey(await signUp(email.input.value.trim(), password.input.value, name.input.value.trim()));
    else if (isReset) await resetPassword(resetToken, password.input.value);
    else await logIn(email.input.value.trim(), password.input.value);
  } catch (error) {
    submit.disabled = false;
    problem.tell(wordsFor(error));
    if (error instanceof ApiError && error.status === 401) password.input.select();
    return;
  }
  location.replace(nextPage(location.search, location.origin, "/console"));
}
