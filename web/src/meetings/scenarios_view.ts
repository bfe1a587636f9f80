/** Scenarios: what an agent is told, wants to reach and is judged by, and what people may do meanwhile. */

import { offeredAgents } from "../console/agents";
import { openDialog } from "../console/dialog";
import { emptyState } from "../console/empty";
import { area, field, select, toggle } from "../console/fields";
import { Records } from "../console/records";
import { rowActions, rowButton, sureButton } from "../console/section";
import { element } from "../dom/element";
import { removeScenario, saveScenario, type Scenario, scenarios } from "../platform/meetings";

const SWITCHES = [
  ["enable_recording", "Recorded"],
  ["enable_transcription", "Live captions"],
  ["enable_chat", "Chat"],
  ["enable_video", "Cameras"],
  ["enable_screen_sharing", "Screen sharing"],
  ["enable_waiting_room", "Waiting room"],
  ["deep_thinking", "Thinks longer"],
  ["live_vision", "Sees what is shown"],
  ["web_search", "Searches the web"],
  ["use_own_keys", "With our own keys of providers"],
] as const;

export class ScenariosView {
  readonly id = "scenarios";
  readonly title = "Scenarios";
  readonly root: HTMLElement;

  private readonly list: Records<Scenario> = new Records({
    label: "Scenarios",
    columns: ["Name", "Objectives", "Criteria", "Longest", ""],
    read: scenarios,
    cells: (row) => [
      row.name,
      String(row.objectives.length),
      String(row.criteria.length),
      row.minutes === null ? "As usual" : `${row.minutes} min`,
      rowActions(
        rowButton("Edit", row.name, () => this.edit(row)),
        sureButton("Delete", "Delete it?", row.name, () => this.list.change(() => removeScenario(row.id))),
      ),
    ],
    empty: () => emptyState("people", "No scenarios yet", "A scenario is a kind of conversation: an interview, a lesson, a sales call. It says what the agent knows, wants and is judged by."),
  });

  constructor() {
    const add = element("button", { class: "button button--small", type: "button" }, "Make a scenario");
    add.addEventListener("click", () => void this.edit(null));
    this.root = element("section", { class: "panel section" }, this.list.root, element("div", {}, add));
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.list.start(signal);
  }

  private async edit(row: Scenario | null): Promise<void> {
    const agents = await this.list.attempt(() => offeredAgents(row?.agentId ?? null));
    if (agents !== null && (await openScenario(row, agents))) await this.list.refresh();
  }
}

/** Asks what a scenario is; whether that was saved. */
function openScenario(row: Scenario | null, agents: readonly (readonly [string, string])[]): Promise<boolean> {
  const name = field({ id: "scenario-name", label: "Name", attributes: { required: true, maxlength: "200", value: row?.name ?? "" } });
  const agent = select({ id: "scenario-agent", label: "Agent", choices: agents, ...(row === null ? {} : { value: String(row.agentId) }) });
  const briefing = area({ id: "scenario-briefing", label: "Briefing", hint: "What the agent is told about the situation.", rows: 5 });
  const objectives = area({ id: "scenario-objectives", label: "Objectives", hint: "One a line; the analysis says which were met.", rows: 3 });
  const criteria = area({ id: "scenario-criteria", label: "Criteria", hint: "One a line, as “Name: what is judged”; each gets 0 to 100.", rows: 3 });
  const minutes = field({ id: "scenario-minutes", label: "Longest meeting, in minutes", type: "number", attributes: { min: "1", value: String(row?.minutes ?? "") } });
  const switches = SWITCHES.map(([control, label]) => ({
    control,
    ...toggle({ id: `scenario-${control}`, label, attributes: { checked: row === null ? control === "enable_recording" : row.controls[control] === true } }),
  }));
  briefing.input.value = row?.briefing ?? "";
  objectives.input.value = (row?.objectives ?? []).join("\n");
  criteria.input.value = (row?.criteria ?? []).map((each) => (each.description === "" ? each.name : `${each.name}: ${each.description}`)).join("\n");
  return openDialog({
    title: row === null ? "Make a scenario" : row.name,
    body: [
      name.root,
      agent.root,
      briefing.root,
      objectives.root,
      criteria.root,
      minutes.root,
      element("fieldset", { class: "choices" }, element("legend", { class: "field__label" }, "In the meeting"), ...switches.map(({ root }) => root)),
    ],
    act: "Save",
    submit: () =>
      saveScenario(
        {
          name: name.input.value.trim(),
          agent_id: Number(agent.input.value),
          briefing: briefing.input.value.trim(),
          objectives: linesOf(objectives.input.value),
          criteria: linesOf(criteria.input.value).map(criterion),
          call_duration: minutes.input.value === "" ? null : Number(minutes.input.value),
          controls: Object.fromEntries(switches.map(({ control, input }) => [control, input.checked])),
        },
        row?.id ?? null,
      ),
  });
}

function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function criterion(line: string): { name: string; description: string } {
  const [name = "", ...rest] = line.split(":");
  return { name: name.trim(), description: rest.join(":").trim() };
}
