/** The pages /login and /signup: one form, with or without a name. */

import { nextPage } from "../console/addresses";
import { field } from "../console/fields";
import { Masthead, Problem, wordsFor } from "../console/shell";
import { element } from "../dom/element";
import { ApiError } from "../platform/api";
import { Console } from "../platform/console";
import { keepKey } from "../platform/credentials";

const root = document.querySelector<HTMLElement>("#page");
if (root === null) throw new Error("entry.html has no #page");

const isNew = location.pathname === "/signup";
const platform = new Console();
const masthead = new Masthead(platform, location.pathname);
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
  label: "Password",
  type: "password",
  ...(isNew ? { hint: "At least 8 characters; a sentence is best." } : {}),
  attributes: {
    required: true,
    autocomplete: isNew ? "new-password" : "current-password",
    maxlength: "200",
    ...(isNew ? { minlength: "8" } : {}),
  },
});
const submit = element("button", { class: "button button--action", type: "submit" }, isNew ? "Sign up" : "Log in");
const form = element(
  "form",
  { class: "entry__form", "aria-labelledby": "title" },
  problem.root,
  email.root,
  isNew ? name.root : null,
  password.root,
  submit,
);
const other = isNew ? "/login" : "/signup";
root.append(
  masthead.root,
  element(
    "main",
    { class: "entry" },
    element(
      "section",
      { class: "panel entry__panel" },
      element("h1", { id: "title" }, isNew ? "Make an account" : "Log in"),
      form,
      element(
        "p",
        { class: "entry__other" },
        isNew ? "You have one? " : "No account yet? ",
        element("a", { href: other + location.search }, isNew ? "Log in" : "Sign up"),
      ),
    ),
  ),
);
document.title = isNew ? "Sign up · Parley" : "Log in · Parley";

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void enter();
});
email.input.focus();

async function enter(): Promise<void> {
  submit.disabled = true;
  problem.clear();
  try {
    if (isNew) keepKey(await platform.signUp(email.input.value.trim(), password.input.value, name.input.value.trim()));
    else await platform.logIn(email.input.value.trim(), password.input.value);
  } catch (error) {
    submit.disabled = false;
    problem.tell(wordsFor(error));
    if (error instanceof ApiError && error.status === 401) password.input.select();
    return;
  }
  location.replace(nextPage(location.search, location.origin, "/"));
}
