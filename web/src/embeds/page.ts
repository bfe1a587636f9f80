/** Buttons on other sites: their keys, what to copy, how each looks. */

import { emptyState } from "../console/empty";
import { facts, sureButton, tag, timeTag } from "../console/section";
import { copyable } from "../console/copying";
import { Problem, wordsFor } from "../console/problem";
import { type Open, pageHead, pageRoot, type View } from "../console/view";
import { element } from "../dom/element";
import { icon } from "../dom/icons";
import { agentNames, type AgentName } from "../platform/agents";
import { changeEmbedKey, deleteEmbedKey, type EmbedKey, embedKeys, looksOf } from "../platform/embeds";
import { editKey } from "./editor";
import "./embeds.css";
import { preview } from "./preview";
import { policyWords, scriptSnippet } from "./snippet";

const TALKS = { both: "By voice or in writing", voice: "By voice", text: "In writing" } as const;

class EmbedPage implements View {
  readonly title = "Websites";
  readonly root: HTMLElement;

  private readonly list = element("div", { class: "embeds" });
  private readonly problem = new Problem();
  private agents: AgentName[] = [];
  private signal: AbortSignal | null = null;
  private drawn = new AbortController();

  constructor() {
    const add = element("button", { class: "button button--action button--small", type: "button" }, icon("screen", 16), "New button");
    add.addEventListener("click", () => void this.edit(null));
    const hint = "A call button on any site. Its key is public: it opens one agent, from the sites you name, within limits.";
    this.root = pageRoot(pageHead("Websites", hint, add), this.problem.root, this.list);
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    signal.addEventListener("abort", () => this.drawn.abort(), { once: true });
    await this.read();
  }

  private async read(): Promise<void> {
    const signal = this.signal ?? undefined;
    this.problem.clear();
    try {
      const [agents, keys] = await Promise.all([agentNames(signal), embedKeys(signal)]);
      this.agents = agents;
      if (signal?.aborted !== true) this.draw(keys);
    } catch (error) {
      if (signal?.aborted !== true) this.problem.tell(wordsFor(error));
    }
  }

  private draw(keys: readonly EmbedKey[]): void {
    this.drawn.abort();
    this.drawn = new AbortController();
    if (keys.length === 0) {
      const make = element("button", { class: "button button--action button--small", type: "button" }, "Make the first button");
      make.addEventListener("click", () => void this.edit(null));
      const words = "One line of HTML puts a button on a page. Visitors talk with an agent there, by voice or in writing.";
      this.list.replaceChildren(emptyState("screen", "No site has a button yet", words, make));
      return;
    }
    this.list.replaceChildren(...keys.map((key) => this.card(key, this.drawn.signal)));
  }

  private card(key: EmbedKey, signal: AbortSignal): HTMLElement {
    const agent = this.agents.find(({ id }) => id === key.agentId);
    const stage = element("div", { class: "embed__stage", role: "group", "aria-label": `Preview of ${key.label}` });
    preview(stage, { key: key.key, preview: looksOf(key, agent?.name ?? "the agent") }, signal).catch((error: unknown) => {
      stage.replaceChildren(element("p", { class: "section__hint" }, wordsFor(error)));
    });
    const edit = element("button", { class: "button button--small", type: "button", "aria-label": `Edit ${key.label}` }, "Edit");
    edit.addEventListener("click", () => void this.edit(key));
    const turn = element("button", { class: "button button--quiet button--small", type: "button", "aria-label": `${key.isActive ? "Switch off" : "Switch on"} ${key.label}` }, key.isActive ? "Switch off" : "Switch on");
    turn.addEventListener("click", () => void this.act(() => changeEmbedKey(key.id, { is_active: !key.isActive })));
    const remove = sureButton("Delete", "Delete it?", key.label, () => this.act(() => deleteEmbedKey(key.id)));
    const policy = element("details", { class: "embed__policy" }, element("summary", {}, "The site has a Content-Security-Policy"), element("p", { class: "section__hint" }, "Add to it:"), copyable(policyWords(location.origin), "the policy"));
    return element(
      "section",
      { class: "panel section embed", "aria-label": key.label },
      element(
        "header",
        { class: "embed__head" },
        element("h2", {}, key.label),
        key.isActive ? tag("On", "active") : tag("Switched off"),
        element("div", { class: "page__actions" }, edit, turn, remove),
      ),
      element(
        "dl",
        { class: "embed__facts" },
        ...facts([
          ["Agent", agent === undefined ? "deleted" : agent.isActive ? agent.name : `${agent.name} (switched off)`],
          ["Sites", key.origins.join(", ")],
          ["Visitors talk", TALKS[key.mode]],
          ["Limits", limitsOf(key)],
          ["Last used", key.lastUsedAt === null ? "never" : timeTag(key.lastUsedAt)],
        ]),
      ),
      stage,
      copyable(scriptSnippet(location.origin, key.key), "the script"),
      policy,
    );
  }

  private async edit(key: EmbedKey | null): Promise<void> {
    this.problem.clear();
    try {
      // A click may be sooner than what the page asks for as it opens.
      if (key === null) this.agents = await agentNames(this.signal ?? undefined);
    } catch (error) {
      this.problem.tell(wordsFor(error));
      return;
    }
    if (key === null && !this.agents.some(({ isActive }) => isActive)) {
      this.problem.tell("No agent is in service. Make one under Agents: a button opens one of them.");
      return;
    }
    if (await editKey(key, this.agents)) await this.read();
  }

  private async act(doing: () => Promise<void>): Promise<void> {
    try {
      await doing();
      await this.read();
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }
}

function limitsOf({ visitorCalls, addressCalls, atOnce, longestSeconds }: EmbedKey): string {
  const longest = longestSeconds % 60 === 0 ? `${longestSeconds / 60} min` : `${longestSeconds} s`;
  return `Calls in an hour: ${visitorCalls} of a visitor, ${addressCalls} from an address. At once: ${atOnce}. Longest: ${longest}.`;
}

export const open: Open = () => new EmbedPage();
