/** All agents of the project, and a new one. */

import "./agents.css";
import { openDialog } from "../console/dialog";
import { emptyState } from "../console/empty";
import { field, select } from "../console/fields";
import { tag, timeTag } from "../console/section";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { counted } from "../console/words";
import { element } from "../dom/element";
import { icon } from "../dom/icons";
import { initialsOf } from "../dom/initials";
import { type Agent, agents, createAgent } from "../platform/agent_settings";
import { ApiError } from "../platform/api";
import { STARTS } from "./starts";

class AgentsPage implements View {
  readonly title = "Agents";
  readonly root: HTMLElement;

  private readonly list = element("div", { class: "agent-cards-place" });
  private readonly search = field({ id: "agent-search", label: "Find by name", type: "search", attributes: { placeholder: "Name", autocomplete: "off" } });
  private readonly filters = element("div", { class: "filters", hidden: true }, this.search.root);
  private rows: Agent[] = [];

  constructor(private readonly place: Place) {
    this.search.input.addEventListener("input", () => this.draw());
    this.root = pageRoot(
      pageHead("Agents", "Who answers: what they are told, which voice they have, what they know and can do.", this.creator("action")),
      this.filters,
      this.list,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.rows = await agents(signal);
    this.filters.hidden = this.rows.length < 8;
    this.draw();
  }

  private draw(): void {
    if (this.rows.length === 0) {
      const words = "An agent answers calls in the browser and on the telephone. Give it a name and instructions, talk to it here, and publish it when it is good.";
      this.list.replaceChildren(element("div", { class: "panel" }, emptyState("agent", "No agents yet", words, this.creator("action"))));
      return;
    }
    const wanted = this.search.input.value.trim().toLowerCase();
    const found = this.rows.filter(({ name }) => name.toLowerCase().includes(wanted));
    this.list.replaceChildren(
      found.length === 0
        ? element("p", { class: "section__empty" }, "No agent has such a name.")
        : element("ul", { class: "agent-cards", "aria-label": "Agents" }, ...found.map(card)),
    );
  }

  private creator(kind: "action" | "plain"): HTMLButtonElement {
    const button = element("button", { class: kind === "action" ? "button button--action button--small" : "button button--small", type: "button" }, "New agent");
    button.addEventListener("click", () => void this.create());
    return button;
  }

  private async create(): Promise<void> {
    const name = field({ id: "new-name", label: "Name", hint: "What callers hear it called.", attributes: { required: true, maxlength: "200", autocomplete: "off" } });
    const start = select({ id: "new-start", label: "Begin with", choices: STARTS.map(({ id, words }) => [id, words] as const), value: "reception" });
    let made: Agent | null = null;
    await openDialog({
      title: "New agent",
      body: [name.root, start.root],
      act: "Create",
      submit: async () => {
        const chosen = STARTS.find(({ id }) => id === start.input.value);
        name.refuse("");
        try {
          made = await createAgent({ name: name.input.value.trim(), instructions: chosen?.instructions ?? "", greeting: chosen?.greeting ?? "" });
        } catch (error) {
          const problem = error instanceof ApiError ? error.fields.find((each) => each.field === "name")?.problem : undefined;
          if (problem !== undefined) name.refuse(problem);
          throw error instanceof ApiError && error.code === "QUOTA_EXCEEDED" ? quota(error) : error;
        }
      },
    });
    if (made !== null) this.place.go(`/console/agents/${(made as Agent).id}`);
  }
}

/** The plan's limit, with what mends it. */
function quota(error: ApiError): ApiError {
  const words = `${error.message}. Delete an agent you do not need, or ask for a larger plan.`;
  return new ApiError(error.status, error.code, words, null, error.resource);
}

function card(agent: Agent): HTMLElement {
  const { greeting, instructions, voice_id: voice, language } = agent.settings;
  const about = String(greeting || instructions || "No instructions yet");
  const tools = Array.isArray(agent.settings["tools"]) ? agent.settings["tools"].length : 0;
  const known = Array.isArray(agent.settings["knowledge_base_ids"]) ? agent.settings["knowledge_base_ids"].length : 0;
  const facts = [String(language), voice ? `voice ${String(voice)}` : "", known === 0 ? "" : counted(known, "knowledge base"), tools === 0 ? "" : counted(tools, "tool")];
  return element(
    "li",
    { class: "agent-card panel" },
    element("span", { class: "agent-card__disc", "aria-hidden": "true", "data-off": String(!agent.isActive) }, initialsOf(agent.name) || icon("agent", 20)),
    element(
      "div",
      { class: "agent-card__words" },
      element("h2", { class: "agent-card__name" }, element("a", { class: "agent-card__link", href: `/console/agents/${agent.id}` }, agent.name)),
      element("p", { class: "agent-card__about" }, about),
      element("p", { class: "agent-card__facts" }, facts.filter((fact) => fact !== "").join(" · "), " · made ", timeTag(agent.createdAt)),
    ),
    element(
      "p",
      { class: "agent-card__state" },
      tag(agent.isActive ? "In service" : "Off", agent.isActive ? "active" : ""),
      agent.publishedVersion === null ? tag("Not published") : tag(`Version ${agent.publishedVersion}`),
      agent.hasUnpublishedChanges ? tag("Changes not published", "warning") : null,
    ),
  );
}

export const open: Open = (place) => new AgentsPage(place);
