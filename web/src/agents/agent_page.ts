/** One agent: its settings, what was published of it, and a place to try it. */

import "./agents.css";
import { openDialog } from "../console/dialog";
import { area } from "../console/fields";
import { sureButton, tag } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { PageTabs } from "../console/tabs";
import { type Open, pageHeadOf, pageRoot, type Place, type View } from "../console/view";
import { counted } from "../console/words";
import { element, setText } from "../dom/element";
import { type Agent, agent, createAgent, deleteAgent, publishAgent, type Version, versions } from "../platform/agent_settings";
import { type Base, bases } from "../platform/knowledge";
import { changedLabels } from "./diff_view";
import { Editor } from "./editor";
import { versionedOf } from "./settings";
import { TryView } from "./try_view";
import { VersionsView } from "./versions_view";

class AgentPage implements View {
  readonly title = "Agent";
  readonly root: HTMLElement;

  private readonly id: number;
  private readonly name = element("h1", { tabindex: "-1" }, "Agent");
  private readonly state = element("p", { class: "agent-state", "aria-live": "polite" });
  private readonly publish_ = element("button", { class: "button button--action button--small", type: "button", disabled: true }, "Publish");
  private readonly problem = new Problem();
  private readonly editor: Editor;
  private readonly history: VersionsView;
  private readonly try_: TryView;
  private readonly tabs: PageTabs;
  private agent: Agent | null = null;
  private signal: AbortSignal | null = null;
  private baseNames = new Map<number, string>();

  constructor(private readonly place: Place) {
    this.id = Number(place.params["id"]);
    this.editor = new Editor((after) => this.changed(after), this.danger());
    this.history = new VersionsView({
      agent: () => this.agent,
      isUnsaved: () => this.editor.isChanged,
      nameOf: (base) => this.baseNames.get(base) ?? `Knowledge base ${base}`,
      publish: () => void this.publish(),
      rolledBack: (after) => {
        this.editor.show(after);
        this.changed(after);
      },
    });
    this.try_ = new TryView({
      written: () => this.editor.written,
      publish: () => void this.publish(),
      refused: (error) => {
        this.tabs.open(this.editor.id);
        this.editor.explain(error, "Not tried");
      },
    });
    this.publish_.addEventListener("click", () => void this.publish());
    this.tabs = new PageTabs("Agent", place, [this.editor, this.history, this.try_]);
    this.root = pageRoot(pageHeadOf(["Agents", "/console/agents"], this.name, [this.state], this.publish_), this.problem.root, this.tabs.root);
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    addEventListener(
      "beforeunload",
      (event) => {
        if (this.editor.isChanged) event.preventDefault();
      },
      { signal },
    );
    document.addEventListener(
      "keydown",
      (event) => {
        if (event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey) || this.tabs.shown !== this.editor.id) return;
        event.preventDefault();
        void this.editor.save();
      },
      { signal },
    );
    signal.addEventListener("abort", () => this.try_.close());
    const offered = bases(signal).then(
      (all) => this.offer(all),
      (error: unknown) => {
        if (!signal.aborted) this.editor.bases.withhold(wordsFor(error));
      },
    );
    const found = await agent(this.id, signal);
    this.editor.show(found);
    this.changed(found);
    await Promise.all([offered, this.tabs.start(signal)]);
  }

  async mayLeave(): Promise<boolean> {
    if (!this.editor.isChanged) return true;
    const words = "You changed settings and did not save them. Close this question to stay and save.";
    return openDialog({
      title: "Leave without saving?",
      body: [element("p", { class: "section__hint" }, words)],
      act: "Leave, lose the changes",
      isDangerous: true,
      submit: () => Promise.resolve(),
    });
  }

  private offer(all: readonly Base[]): void {
    this.baseNames = new Map(all.map(({ id, name }) => [id, name]));
    this.editor.bases.offer(all.map(({ id, name, chunks }) => ({ id, name, hint: counted(chunks, "passage") })));
  }

  private changed(after: Agent): void {
    this.agent = after;
    this.place.entitle(after.name);
    setText(this.name, after.name);
    const published = after.publishedVersion;
    this.state.replaceChildren(
      tag(after.isActive ? "In service" : "Off", after.isActive ? "active" : ""),
      tag(published === null ? "Not published: calls use the settings as saved" : `Version ${published} takes calls`),
      ...(after.hasUnpublishedChanges ? [tag("Changes not published", "warning")] : []),
    );
    this.publish_.disabled = published !== null && !after.hasUnpublishedChanges;
    this.try_.show(after);
    void this.history.reread();
  }

  private async publish(): Promise<void> {
    if (!(await this.editor.save())) {
      if (this.tabs.shown !== this.editor.id) this.tabs.open(this.editor.id);
      return;
    }
    const { agent: draft } = this;
    if (draft === null) return;
    let before: Version | undefined;
    try {
      before = (await versions(draft.id, 1, this.signal ?? undefined)).rows.find(({ isPublished }) => isPublished);
    } catch (error) {
      if (this.signal?.aborted !== true) this.problem.tell(wordsFor(error));
      return;
    }
    const labels = before === undefined ? [] : changedLabels(before.settings, versionedOf(draft.settings));
    const note = area({ id: "publish-note", label: "What is different?", rows: 2, hint: "For whoever looks back at the versions.", attributes: { maxlength: "500" } });
    const told =
      before === undefined
        ? "From now on calls keep to this version until you publish again, whatever you change and save."
        : `Changed since version ${before.number}: ${labels.join(", ") || "nothing"}. Running calls go on as they are.`;
    await openDialog({
      title: "Publish",
      body: [element("p", { class: "section__hint" }, told), note.root],
      act: "Publish",
      submit: async () => this.changed(await publishAgent(draft.id, note.input.value.trim())),
    });
  }

  /** Copying and deleting stand below the settings, where nobody comes by chance. */
  private danger(): HTMLElement {
    const copy = element("button", { class: "button button--small", type: "button" }, "Make a copy");
    copy.addEventListener("click", () => void this.act(() => this.copy()));
    const remove = sureButton("Delete", "Delete for good?", "this agent", () =>
      this.act(async () => {
        await deleteAgent(this.id);
        this.editor.discard();
        this.place.go("/console/agents");
      }),
    );
    const words = "A copy begins with these settings and is not published. A deleted agent takes no calls; its sessions stay.";
    return element(
      "section",
      { class: "panel section", "aria-label": "Copy or delete" },
      element("p", { class: "section__hint" }, words),
      element("div", { class: "page__actions" }, copy, remove),
    );
  }

  private async copy(): Promise<void> {
    if (this.agent === null) return;
    const made = await createAgent({ ...this.agent.settings, name: `${this.agent.name} (copy)`.slice(0, 200) });
    this.place.go(`/console/agents/${made.id}`);
  }

  private async act(what: () => Promise<void>): Promise<void> {
    try {
      await what();
    } catch (error) {
      this.problem.tell(wordsFor(error));
      this.problem.root.scrollIntoView({ block: "center" });
    }
  }
}

export const open: Open = (place) => new AgentPage(place);
