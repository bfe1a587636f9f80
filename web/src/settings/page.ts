/** Settings of the account and its projects, in tabs; the address says which is shown. */

import "./settings.css";
import type { Section } from "../console/section";
import { Problem, wordsFor } from "../console/shell";
import { tabs } from "../console/tabs";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { element } from "../dom/element";
import { type Account, Console } from "../platform/console";
import { HistoryView } from "./history_view";
import { MembersView } from "./members_view";
import { PasswordView } from "./password_view";
import { ProfileView } from "./profile_view";
import { ProjectView } from "./project_view";
import { ProvidersView } from "./providers_view";
import { SupportView } from "./support_view";

interface Part {
  readonly id: string;
  readonly title: string;
  readonly root: HTMLElement;
  readonly sections: readonly (Omit<Section, "start"> & { start(signal?: AbortSignal): Promise<void> })[];
}

class SettingsPage implements View {
  readonly title = "Settings";
  readonly root: HTMLElement;

  private readonly problem = new Problem();
  private readonly parts: readonly Part[];
  private readonly begun = new Set<string>();
  private shown = "";
  private signal: AbortSignal | null = null;

  constructor(
    private readonly place: Place,
    account: Account,
  ) {
    const platform = new Console();
    const alone = (id: string, title: string, section: Part["sections"][number]): Part => ({ id, title, root: section.root, sections: [section] });
    const histories = [new HistoryView("meetings", "Meeting history", platform), new HistoryView("transactions", "Transaction history", platform)];
    this.parts = [
      alone("profile", "Profile", new ProfileView(platform, account)),
      alone("password", "Password", new PasswordView(platform)),
      alone("project", "Project", new ProjectView(account.projectId)),
      alone("providers", "Provider keys", new ProvidersView(account.projectId)),
      alone("members", "Members", new MembersView()),
      alone("support", "Support access", new SupportView(platform)),
      { id: "history", title: "History", root: element("div", { class: "sections" }, ...histories.map(({ root }) => root)), sections: histories },
    ];
    const first = place.query.get("tab") ?? "profile";
    this.root = pageRoot(
      pageHead("Settings", "Your account, its projects, and who may do what."),
      this.problem.root,
      tabs("Settings", this.parts, first, (id) => void this.show(id)),
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await this.begin(this.shown);
  }

  private async show(id: string): Promise<void> {
    this.shown = id;
    if (this.signal === null) return; // the first one begins with the page
    this.place.rename(`${this.place.path}?tab=${id}`);
    await this.begin(id);
  }

  /** A tab asks for what it shows when it is opened first; after a failure, again. */
  private async begin(id: string): Promise<void> {
    this.problem.clear();
    if (this.begun.has(id)) return;
    this.begun.add(id);
    const signal = this.signal ?? undefined;
    try {
      await Promise.all(this.parts.find((part) => part.id === id)?.sections.map((section) => section.start(signal)) ?? []);
    } catch (error) {
      this.begun.delete(id);
      if (!signal?.aborted) this.problem.tell(wordsFor(error));
    }
  }
}

export const open: Open = (place, account) => new SettingsPage(place, account);
