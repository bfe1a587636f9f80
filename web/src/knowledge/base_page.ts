/** One knowledge base: what is in it, how it answers, and what it does not. */

import "./knowledge.css";
import { openDialog } from "../console/dialog";
import { tag } from "../console/section";
import { tabs } from "../console/tabs";
import { type Open, pageRoot, type Place, type View } from "../console/view";
import { count } from "../console/words";
import { element, setText } from "../dom/element";
import { query } from "../platform/client";
import { type Base, base } from "../platform/knowledge";
import { ChunksView } from "./chunks_view";
import type { BaseContext, BaseTab } from "./context";
import { DocumentsView } from "./documents_view";
import { GoldenView } from "./golden_view";
import { SearchView } from "./search_view";
import { SettingsView } from "./settings_view";
import { stateTag } from "./state";
import { UnansweredView } from "./unanswered_view";

class BasePage implements View {
  title = "Knowledge";
  readonly root: HTMLElement;

  private readonly id: number;
  private readonly name = element("h1", { tabindex: "-1" }, "Knowledge base");
  private readonly state = element("p", { class: "base-state", "aria-live": "polite" });
  private readonly about = element("p", { class: "page__hint" });
  private readonly documents: DocumentsView;
  private readonly views: readonly BaseTab[];
  private readonly started = new Set<string>();
  private chosen: string;
  private shown: Base | null = null;
  private names: readonly string[] = [];
  private signal: AbortSignal | null = null;

  constructor(place: Place) {
    this.id = Number(place.params["id"]);
    this.chosen = place.query.get("tab") ?? "documents";
    const context: BaseContext = {
      id: this.id,
      base: () => this.shown,
      reread: () => this.reread(),
      documentNames: () => this.names,
      namesFound: (names) => {
        this.names = names;
      },
      openTab: (id) => this.root.querySelector<HTMLElement>(`#tab-${id}`)?.click(),
    };
    this.documents = new DocumentsView(context, (after) => this.show(after));
    this.views = [
      this.documents,
      new ChunksView(context),
      new SearchView(context),
      new GoldenView(context),
      new UnansweredView(context),
      new SettingsView(context, (after) => this.show(after), () => place.go("/console/knowledge")),
    ];
    this.root = pageRoot(
      element(
        "header",
        { class: "page__head" },
        element("div", { class: "page__title" }, element("p", { class: "base-back" }, element("a", { href: "/console/knowledge" }, "Knowledge")), this.name, this.about, this.state),
      ),
      tabs("Knowledge base", this.views, this.chosen, (id) => {
        this.chosen = id;
        place.rename(place.path + query({ tab: id === "documents" ? "" : id }));
        void this.showTab();
      }),
    );
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
    await this.showTab();
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

  /** What a tab shows is fetched when it is first seen; seen again it is looked at anew. */
  private async showTab(): Promise<void> {
    const { signal, chosen } = this;
    if (signal === null) return;
    const view = this.views.find(({ id }) => id === chosen) ?? this.documents;
    if (this.started.has(view.id)) return view.refresh();
    this.started.add(view.id);
    await view.start(signal);
  }

  private async reread(): Promise<void> {
    if (this.signal !== null) this.show(await base(this.id, this.signal));
  }

  private show(after: Base): void {
    this.shown = after;
    this.title = after.name;
    document.title = `${after.name} · Parley`;
    setText(this.name, after.name);
    setText(this.about, after.description);
    this.state.replaceChildren(stateTag(after), tag(after.chunks === 1 ? "1 passage" : `${count(after.chunks)} passages`));
    if (this.started.has("settings")) void this.views.at(-1)?.refresh();
  }
}

export const open: Open = (place) => new BasePage(place);
