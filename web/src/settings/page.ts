/** Settings of the account and its projects, in tabs; the address says which is shown. */

import "./settings.css";
import { PageTabs, type PageTab } from "../console/tabs";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import type { Account } from "../platform/account";
import { MembersView } from "./members_view";
import { PasswordView } from "./password_view";
import { ProfileView } from "./profile_view";
import { ProjectView } from "./project_view";
import { ProvidersView } from "./providers_view";
import { SupportView } from "./support_view";

class SettingsPage implements View {
  readonly title = "Settings";
  readonly root: HTMLElement;

  private readonly tabs: PageTabs;

  constructor(place: Place, account: Account) {
    this.tabs = new PageTabs("Settings", place, [
      tab("profile", "Profile", new ProfileView(account)),
      tab("password", "Password", new PasswordView()),
      tab("project", "Project", new ProjectView(account.projectId)),
      tab("providers", "Provider keys", new ProvidersView(account.projectId)),
      tab("members", "Members", new MembersView()),
      tab("support", "Support access", new SupportView()),
    ]);
    this.root = pageRoot(pageHead("Settings", "Your account, its projects, and who may do what."), this.tabs.root);
  }

  start(signal: AbortSignal): Promise<void> {
    return this.tabs.start(signal);
  }
}

/** Its heading says more than there is room for on the tab. */
function tab(id: string, title: string, view: { readonly root: HTMLElement; start?(signal: AbortSignal): Promise<void> }): PageTab {
  return { id, title, root: view.root, start: async (signal) => view.start?.(signal) };
}

export const open: Open = (place, account) => new SettingsPage(place, account);
