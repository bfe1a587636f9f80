/** The reference of the API, drawn by Swagger UI from this server's /openapi.json; a key typed here, or a session, is used to try it. */

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import { element, setText } from "../dom/element";
import { credentials } from "../platform/client";
import { forgetKey, keepKey, keptKey, takeKeyFromAddress } from "../platform/credentials";
import { platformOfSession } from "../platform/settling";
import { noLinksInButtons, putRight } from "./reach";

const root = document.querySelector<HTMLElement>("#page");
if (root === null) throw new Error("docs.html has no #page");

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const input = element("input", {
  class: "field__input",
  id: "key",
  type: "password",
  autocomplete: "off",
  autocapitalize: "none",
  spellcheck: "false",
  placeholder: "pk_…",
});
const hint = element("p", { class: "docs__hint", role: "status" });
const reference = element("main", { class: "docs__reference" });
root.append(
  element(
    "header",
    { class: "docs__masthead" },
    element("span", { class: "docs__name" }, element("span", { class: "mark", "aria-hidden": "true" }), "Parley API"),
    element(
      "nav",
      { class: "docs__links", "aria-label": "Downloads" },
      element("a", { href: "/openapi.json" }, "OpenAPI"),
      element("a", { href: "/postman.json", download: "parley.postman_collection.json" }, "Postman"),
    ),
    element("div", { class: "docs__key" }, element("label", { for: "key" }, "API key"), input, hint),
  ),
  reference,
);

input.value = takeKeyFromAddress() ?? keptKey() ?? "";
let isLoggedIn = false;
const sayWhatKeyDoes = () =>
  setText(hint, input.value !== "" ? "Sent with every request you try." : isLoggedIn ? "You are logged in: none is needed here." : "Enter one to try requests here.");
input.addEventListener("input", () => {
  const key = input.value.trim();
  if (key === "") forgetKey();
  else keepKey(key);
  sayWhatKeyDoes();
});
sayWhatKeyDoes();
// Where nobody can be asked, a key helps as before.
void platformOfSession()
  .then((platform) => {
    isLoggedIn = platform !== null;
    sayWhatKeyDoes();
  })
  .catch(() => undefined);

document.documentElement.dataset["phase"] = "loading";
putRight(reference);
SwaggerUI({
  url: "/openapi.json",
  domNode: reference,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  plugins: [noLinksInButtons],
  syntaxHighlight: { theme: "tomorrow-night" },
  onComplete: () => {
    document.documentElement.dataset["phase"] = "ready";
  },
  requestInterceptor: (request) => {
    const key = input.value.trim();
    const ours = new URL(request.url, location.href);
    if (ours.origin !== location.origin || !ours.pathname.startsWith("/api/")) return request;
    if (key !== "") request.headers["X-API-Key"] ??= key;
    else Object.assign(request.headers, credentials());
    return request;
  },
});
