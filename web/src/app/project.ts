/** The choice of the project that this tab works in. */

import { element } from "../dom/element";
import { isByKey } from "../platform/client";
import type { Account } from "../platform/account";
import { type Project, projects } from "../platform/projects";
import { chooseProject } from "../platform/settling";

/** A choice among projects; empty where there is no choice. */
export function projectChoice(account: Account): HTMLElement {
  const root = element("div", { class: "side__project" });
  if (!isByKey()) void fill(root, account);
  return root;
}

async function fill(root: HTMLElement, account: Account): Promise<void> {
  let all: Project[];
  try {
    all = await projects();
  } catch {
    return; // the page itself says that the server does not answer
  }
  if (all.length < 2) return;
  const choice = element(
    "select",
    { class: "field__input side__choice", "aria-label": "Project" },
    ...all.map(({ id, name }) => element("option", { value: String(id), selected: id === account.projectId }, name)),
  );
  choice.addEventListener("change", () => {
    chooseProject(choice.value);
    // What is shown belongs to the former project, its address too.
    location.assign("/console");
  });
  root.replaceChildren(choice);
}
