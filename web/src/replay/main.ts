/** `/replay#secret`: what somebody was sent a link to. */

import { emptyState } from "../console/empty";
import { wordsFor } from "../console/problem";
import { element } from "../dom/element";
import { restoreTheme } from "../app/theme";
import { ApiError } from "../platform/api";
import { sharedReplay } from "../platform/replay";
import { ReplayView } from "./view";

const root = document.querySelector<HTMLElement>("#page");
if (root === null) throw new Error("replay.html has no #page");
const page = root;
let leaving = new AbortController();
restoreTheme();
addEventListener("hashchange", () => void begin());
void begin();

async function begin(): Promise<void> {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const secret = location.hash.slice(1);
  if (secret === "") {
    show(emptyState("link", "No link", "The address lacks its end, after the #. Open the link as it was sent to you."));
    return;
  }
  const view = new ReplayView({ sessionId: null, fetch: (ended) => sharedReplay(secret, ended) });
  show(view.root);
  try {
    await view.start(signal);
    document.documentElement.dataset["phase"] = "ready";
  } catch (error) {
    if (!signal.aborted) show(refused(error));
  }
}

function show(main: HTMLElement): void {
  const name = element("a", { class: "top__name", href: "/" }, element("span", { class: "mark", "aria-hidden": "true" }), "Parley");
  page.replaceChildren(element("header", { class: "top" }, name), element("main", { class: "guest" }, main));
}

function refused(error: unknown): HTMLElement {
  document.documentElement.dataset["phase"] = "refused";
  const status = error instanceof ApiError ? error.status : 0;
  if (status === 410) return emptyState("lock", "This link is over", "Its time has passed, or it was taken back. Ask whoever sent it for another.");
  if (status === 404 || status === 401) return emptyState("link", "This link opens nothing", "Open it as it was sent to you, whole; or ask for another.");
  return emptyState("alert", "This cannot be shown now", wordsFor(error));
}
