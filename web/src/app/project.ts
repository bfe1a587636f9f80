/** Which of the account's projects this tab works in. A key has one; a session begins in the account's first. */

import { element } from "../dom/element";
import { isByKey, workIn } from "../platform/client";
import type { Account } from "../platform/account";
import { type Project, projects } from "../platform/projects";

const STORED_AS = "parley.project";

/** The account as it works here: in the project that this tab has chosen, as long as there is one. */
export async function settle(account: Account): Promise<Account> {
  const chosen = Number(stored());
  if (isByKey() || !chosen || chosen === account.projectId) return account;
  const project = (await projects()).find(({ id }) => id === chosen);
  if (project === undefined) {
    store(null);
    return account;
  }
  workIn(project.id);
  return { ...account, projectId: project.id, projectSlug: project.slug };
}

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
    store(choice.value);
    // What is shown belongs to the former project, its address too.
    location.assign("/console");
  });
  root.replaceChildren(choice);
}

function stored(): string | null {
  try {
    return sessionStorage.getItem(STORED_AS);
  } catch {
    return null;
  }
}

function store(id: string | null): void {
  try {
    if (id === null) sessionStorage.removeItem(STORED_AS);
    else sessionStorage.setItem(STORED_AS, id);
  } catch {
    // Without storage every page begins in the first project.
  }
}
