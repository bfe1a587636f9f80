/** Which of the account's projects this tab works in. A key has one; a session begins in the account's first. */

import { type Account, ownAccount } from "./account";
import { Platform } from "./api";
import { credentials, isByKey, workIn } from "./client";
import { projects } from "./projects";

const STORED_AS = "parley.project";

/** The account as it works here: in the project that this tab has chosen, as long as there is one. */
export async function settle(account: Account): Promise<Account> {
  const chosen = Number(chosenProject());
  if (isByKey() || !chosen || chosen === account.projectId) return account;
  const project = (await projects()).find(({ id }) => id === chosen);
  if (project === undefined) {
    chooseProject(null);
    return account;
  }
  workIn(project.id);
  return { ...account, projectId: project.id, projectSlug: project.slug };
}

/** The platform as the session of this browser opens it, in the project of this tab; null where nobody has logged in. */
export async function platformOfSession(): Promise<Platform | null> {
  const account = await ownAccount();
  if (account === null) return null;
  await settle(account);
  return new Platform(credentials());
}

/** Has this tab work in another project, from its next page on. */
export function chooseProject(id: string | null): void {
  try {
    if (id === null) sessionStorage.removeItem(STORED_AS);
    else sessionStorage.setItem(STORED_AS, id);
  } catch {
    // Without storage every page begins in the first project.
  }
}

function chosenProject(): string | null {
  try {
    return sessionStorage.getItem(STORED_AS);
  } catch {
    return null;
  }
}
