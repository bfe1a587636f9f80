/** The settings of an agent as a form: what is changed is saved together, what is wrong is said beside its field. */

import { Problem, wordsFor } from "../console/problem";
import { element, setText } from "../dom/element";
import { type Agent, changeAgent, type Settings } from "../platform/agent_settings";
import { ApiError } from "../platform/api";
import { Form } from "./form";
import { agentGroups, type Groups } from "./groups";
import { changesOf } from "./settings";
import { labelOf } from "./words";

export class Editor {
  readonly id = "settings";
  readonly title = "Settings";
  readonly root: HTMLElement;

  private readonly groups: Groups;
  private readonly form: Form;
  private readonly problem = new Problem();
  private readonly said = element("p", { class: "savebar__words", role: "status" });
  private readonly save_ = element("button", { class: "button button--action button--small", type: "submit", disabled: true }, "Save");
  private readonly discard_ = element("button", { class: "button button--quiet button--small", type: "button", disabled: true }, "Discard");
  private agent: Agent | null = null;
  /** What the form read when it was filled: the same settings, written as the form writes them. */
  private base: Settings = {};

  /** `saved` hears of the agent as it is after a change. */
  constructor(
    private readonly saved: (agent: Agent) => void,
    danger: HTMLElement,
  ) {
    this.groups = agentGroups(() => this.look());
    this.form = new Form(this.groups.all.flatMap(({ parts }) => parts));
    const bar = element("div", { class: "savebar panel" }, this.said, this.discard_, this.save_);
    const form = element(
      "form",
      { class: "agent-form", novalidate: true, "aria-label": "Settings" },
      this.problem.root,
      ...this.groups.all.map(({ root }) => root),
      danger,
      bar,
    );
    form.addEventListener("input", () => this.look());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save();
    });
    // Enter in a line of many settings is more often a slip than a wish to save them all.
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target instanceof HTMLInputElement) event.preventDefault();
    });
    this.discard_.addEventListener("click", () => this.discard());
    this.root = element("div", { class: "agent-editor" }, this.contents(), form);
  }

  get bases(): Groups["bases"] {
    return this.groups.bases;
  }

  /** All that is written, and what of it is not saved. */
  get written(): { readonly settings: Settings; readonly unsaved: Settings } {
    const settings = this.form.read();
    return { settings, unsaved: changesOf(this.base, settings) };
  }

  get isChanged(): boolean {
    return this.changed().length > 0;
  }

  show(agent: Agent): void {
    this.agent = agent;
    this.form.show(agent.settings);
    this.base = this.form.read();
    this.problem.clear();
    this.look();
  }

  /** Back to what is saved. */
  discard(): void {
    if (this.agent !== null) this.show(this.agent);
  }

  /** Saves what was changed; false where it could not be, which the page then says. */
  async save(): Promise<boolean> {
    const { agent } = this;
    if (agent === null) return false;
    const { settings: read, unsaved: changes } = this.written;
    if (Object.keys(changes).length === 0) return true;
    this.save_.disabled = true;
    setText(this.said, "Saving");
    try {
      const after = await changeAgent(agent.id, changes);
      this.agent = after;
      this.base = read;
      this.form.refuse([]);
      this.problem.clear();
      this.look();
      setText(this.said, "Saved");
      this.saved(after);
      return true;
    } catch (error) {
      this.look();
      this.explain(error);
      return false;
    }
  }

  /** Says beside their fields why what is written was not taken; `undone` is what did not happen. */
  explain(error: unknown, undone = "Not saved"): void {
    if (!(error instanceof ApiError) || error.fields.length === 0) {
      this.form.refuse([]);
      this.problem.tell(wordsFor(error));
      this.problem.root.scrollIntoView({ block: "center" });
      return;
    }
    const homeless = this.form.refuse(error.fields);
    const count = error.fields.length - homeless.length;
    const beside = count === 0 ? "" : count === 1 ? "One field is not accepted; the words below it say why." : `${count} fields are not accepted; the words below them say why.`;
    this.problem.tell(`${undone}. ${[beside, ...homeless].filter((words) => words !== "").join(" ")}`);
    setText(this.said, undone);
    if (count === 0) this.problem.root.scrollIntoView({ block: "center" });
  }

  private changed(): string[] {
    return this.agent === null ? [] : Object.keys(this.written.unsaved);
  }

  private look(): void {
    const names = this.changed();
    this.save_.disabled = this.discard_.disabled = names.length === 0;
    const words = names.map(labelOf);
    const more = words.length > 3 ? ` and ${words.length - 3} more` : "";
    setText(this.said, names.length === 0 ? "Everything is saved" : `Not saved yet: ${words.slice(0, 3).join(", ")}${more}`);
  }

  /** Buttons that lead to the groups, and say which is being read. */
  private contents(): HTMLElement {
    const links = this.groups.all.map(({ title, root }) => {
      const link = element("button", { class: "agent-contents__link", type: "button" }, title);
      link.addEventListener("click", () => {
        root.scrollIntoView({ block: "start" });
        root.focus({ preventScroll: true });
      });
      return [root, link] as const;
    });
    const seen = new IntersectionObserver(
      (entries) => {
        const top = entries.find(({ isIntersecting }) => isIntersecting)?.target;
        if (top === undefined) return;
        for (const [root, link] of links) {
          if (root === top) link.setAttribute("aria-current", "true");
          else link.removeAttribute("aria-current");
        }
      },
      { rootMargin: "-10% 0px -85% 0px" },
    );
    for (const [root] of links) seen.observe(root);
    return element("nav", { class: "agent-contents", "aria-label": "Groups of settings" }, ...links.map(([, link]) => link));
  }
}
