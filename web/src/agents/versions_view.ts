/** What was published of an agent: what differs between any two versions, and the way back to an earlier one. */

import { openDialog } from "../console/dialog";
import { emptyState } from "../console/empty";
import { select } from "../console/fields";
import { rowActions, rowButton, table, tag, timeTag } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { element } from "../dom/element";
import { type Agent, rollBackAgent, type Settings, type Version, versions } from "../platform/agent_settings";
import { diffView } from "./diff_view";
import { versionedOf } from "./settings";

const DRAFT = "draft";

export interface VersionsOptions {
  /** The agent as it was saved last. */
  readonly agent: () => Agent | null;
  /** Whether the settings have changes that are not saved, which going back would throw away. */
  readonly isUnsaved: () => boolean;
  readonly nameOf: (base: number) => string;
  readonly publish: () => void;
  readonly rolledBack: (agent: Agent) => void;
}

export class VersionsView {
  readonly id = "versions";
  readonly title = "Versions";
  readonly root: HTMLElement;

  private readonly problem = new Problem();
  private readonly list = element("div", {});
  private readonly older = element("button", { class: "button button--small", type: "button", hidden: true }, "Show older ones");
  private readonly from = select({ id: "diff-from", label: "Before", choices: [] });
  private readonly to = select({ id: "diff-to", label: "After", choices: [] });
  private readonly result = element("div", { "aria-live": "polite" });
  private readonly comparison: HTMLElement;
  private rows: Version[] = [];
  private pages = 1;
  private signal: AbortSignal | null = null;

  constructor(private readonly options: VersionsOptions) {
    this.comparison = element(
      "section",
      { class: "panel section", "aria-labelledby": "diff-title", hidden: true },
      element("h2", { id: "diff-title" }, "What differs"),
      element("div", { class: "filters" }, this.from.root, this.to.root),
      this.result,
    );
    for (const { input } of [this.from, this.to]) input.addEventListener("change", () => this.compare());
    this.older.addEventListener("click", () => void this.bring(this.pages + 1));
    this.root = element(
      "div",
      { class: "stack" },
      this.problem.root,
      element("section", { class: "panel section", "aria-label": "Versions" }, this.list, element("div", {}, this.older)),
      this.comparison,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await this.bring(1);
  }

  /** After a change of the agent: what is shown anew, where it was shown before. */
  async reread(): Promise<void> {
    if (this.signal !== null) await this.bring(1);
  }

  private async bring(page: number): Promise<void> {
    const { agent } = this.options;
    const shown = agent();
    if (shown === null) return;
    try {
      const found = await versions(shown.id, page, this.signal ?? undefined);
      this.rows = page === 1 ? found.rows : [...this.rows, ...found.rows];
      this.pages = page;
      this.older.hidden = page >= found.totalPages;
      this.problem.clear();
      this.draw(shown, page === 1);
    } catch (error) {
      if (this.signal?.aborted !== true) this.problem.tell(wordsFor(error));
    }
  }

  private draw(agent: Agent, isFirst: boolean): void {
    if (this.rows.length === 0) {
      const publish = element("button", { class: "button button--action button--small", type: "button" }, "Publish the first version");
      publish.addEventListener("click", this.options.publish);
      const words = "Until then calls use the settings as you save them. Once published, calls keep to that version while you change the draft, and you can compare and go back.";
      this.list.replaceChildren(emptyState("history", "Not published yet", words, publish));
      this.comparison.hidden = true;
      return;
    }
    const cells = this.rows.map((row) => {
      const compare = rowButton("Compare", `version ${row.number} with the draft`, () => {
        this.from.input.value = String(row.number);
        this.to.input.value = DRAFT;
        this.compare();
        this.comparison.scrollIntoView({ block: "nearest" });
      });
      const back = rowButton("Roll back", `to version ${row.number}`, () => this.rollBack(agent, row));
      return [
        element("span", { class: "agent-version" }, `Version ${row.number}`, row.isPublished ? tag("Calls use it", "active") : ""),
        row.note === "" ? element("span", { class: "field__hint" }, "No note") : row.note,
        timeTag(row.createdAt),
        rowActions(compare, row.isPublished && !agent.hasUnpublishedChanges ? null : back),
      ];
    });
    this.list.replaceChildren(table("Versions", ["Version", "Note", "Published", ""], cells, ""));
    this.offer(agent, isFirst);
  }

  /** At first: what would change by publishing; without such a change, what the last publishing changed. */
  private offer(agent: Agent, isFirst: boolean): void {
    const choices: (readonly [string, string])[] = [[DRAFT, "Draft"], ...this.rows.map(({ number }) => [String(number), `Version ${number}`] as const)];
    const kept = [this.from.input.value, this.to.input.value];
    for (const { input } of [this.from, this.to]) {
      input.replaceChildren(...choices.map(([value, words]) => element("option", { value }, words)));
    }
    const published = String(agent.publishedVersion ?? this.rows[0]?.number ?? DRAFT);
    const before = this.rows[1];
    const usual = agent.hasUnpublishedChanges || before === undefined ? [published, DRAFT] : [String(before.number), String(this.rows[0]?.number)];
    const [from = DRAFT, to = DRAFT] = isFirst ? usual : kept;
    this.from.input.value = from;
    this.to.input.value = to;
    this.comparison.hidden = false;
    this.compare();
  }

  private compare(): void {
    const [before, after] = [this.settingsOf(this.from.input.value), this.settingsOf(this.to.input.value)];
    if (before === null || after === null) return;
    this.result.replaceChildren(diffView(before, after, this.options.nameOf));
  }

  private settingsOf(value: string): Settings | null {
    if (value !== DRAFT) return this.rows.find(({ number }) => String(number) === value)?.settings ?? null;
    const draft = this.options.agent()?.settings ?? null;
    return draft === null ? null : versionedOf(draft);
  }

  private async rollBack(agent: Agent, row: Version): Promise<void> {
    const draft = this.settingsOf(DRAFT);
    const words = `Calls that begin from now on use version ${row.number}, and the draft becomes equal to it. Running calls go on as they are.`;
    const lost = this.options.isUnsaved()
      ? "Changes that you have not saved are lost."
      : agent.hasUnpublishedChanges
        ? "Changes of the draft that were never published are lost."
        : null;
    const isDone = await openDialog({
      title: `Roll back to version ${row.number}?`,
      body: [
        element("p", { class: "section__hint" }, words),
        ...(lost === null ? [] : [element("p", { class: "field__problem" }, lost)]),
        ...(draft === null ? [] : [element("div", { class: "dialog__diff" }, diffView(draft, row.settings, this.options.nameOf))]),
      ],
      act: "Roll back",
      submit: async () => this.options.rolledBack(await rollBackAgent(agent.id, row.number)),
    });
    if (isDone) await this.reread();
  }
}
