/** One knowledge base: what is in it, how it answers, and what it does not. */

import "./knowledge.css";
import { openDialog } from "../console/dialog";
import { Problem, wordsFor } from "../console/problem";
import { tag } from "../console/section";
import { PageTabs } from "../console/tabs";
import { type Open, pageHeadOf, pageRoot, type Place, type View } from "../console/view";
import { counted } from "../console/words";
import { element, setText } from "../dom/element";
import { type Base, base } from "../platform/knowledge";
import { ChunksView } from "./chunks_view";
import type { BaseContext } from "./context";
import { DocumentsView } from "./documents_view";
import { GoldenView } from "./golden_view";
import { SearchView } from "./search_view";
import { SettingsView } from "./settings_view";
import { stateTag } from "./state";
import { UnansweredView } from "./unanswered_view";

class BasePage implements View {
  readonly title = "Knowledge";
  readonly root: HTMLElement;

  private readonly id: number;
  private readonly name = element("h1", { tabindex: "-1" }, "Knowledge base");
  private readonly state = element("p", { class: "base-state", "aria-live": "polite" });
  private readonly about = element("p", { class: "page__hint" });
  private readonly problem = new Problem();
  private readonly documents: DocumentsView;
  private readonly settings: SettingsView;
  private readonly tabs: PageTabs;
  private shown: Base | null = null;
  private signal: AbortSignal | null = null;

  constructor(private readonly place: Place) {
    this.id = Number(place.params["id"]);
    const context: BaseContext = {
      id: this.id,
      base: () => this.shown,
      reread: () => this.reread(),
      openTab: (id) => this.tabs.open(id),
    };
    this.documents = new DocumentsView(context, (after) => this.show(after));
    this.settings = new SettingsView(context, (after) => this.show(after), () => place.go("/console/knowledge"));
    this.tabs = new PageTabs("Knowledge base", place, [
      this.documents,
      new ChunksView(context),
      new SearchView(context),
      new GoldenView(context),
      new UnansweredView(context),
      this.settings,
    ]);
    this.root = pageRoot(pageHeadOf(["Knowledge", "/console/knowledge"], this.name, [this.about, this.state]), this.problem.root, this.tabs.root);
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    addEventListener(
      "beforeunload",
      (event) => {
        if (this.documents.uploads.isBusy) event.preventDefault();
      },
      { signal },
    );
    this.show(await base(this.id, signal));
    await this.tabs.start(signal);
  }

  async mayLeave(): Promise<boolean> {
    if (!this.documents.uploads.isBusy) return true;
    return openDialog({
      title: "Stop the uploads?",
      body: [element("p", { class: "section__hint" }, "Files are on their way. Leaving stops those that have not arrived.")],
      act: "Leave, stop them",
      isDangerous: true,
      submit: () => Promise.resolve(),
    });
  }

  private async reread(): Promise<void> {
    const { signal } = this;
    if (signal === null) return;
    this.problem.clear();
    try {
      this.show(await base(this.id, signal));
    } catch (error) {
      if (!signal.aborted) this.problem.tell(wordsFor(error));
    }
  }

  private show(after: Base): void {
    this.shown = after;
    this.place.entitle(after.name);
    setText(this.name, after.name);
    setText(this.about, after.description);
    this.state.replaceChildren(stateTag(after), tag(counted(after.chunks, "passage")));
    void this.settings.refresh();
  }
}

export const open: Open = (place) => new BasePage(place);
