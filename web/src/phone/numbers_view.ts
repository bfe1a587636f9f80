/** Which agent answers which number. */

import { offeredAgents } from "../console/agents";
import { openDialog } from "../console/dialog";
import { emptyState } from "../console/empty";
import { field, select, toggle } from "../console/fields";
import { Records } from "../console/records";
import { rowActions, rowButton, sureButton } from "../console/section";
import { duration } from "../console/words";
import { element } from "../dom/element";
import { type NumberConfig, numbers, plainNumber, removeNumber, saveNumber } from "../platform/phone";

export class NumbersView {
  readonly id = "numbers";
  readonly title = "Numbers";
  readonly root: HTMLElement;

  private readonly list: Records<NumberConfig> = new Records({
    label: "Numbers",
    columns: ["Number", "Name", "Answered by", "Calls", "Longest", ""],
    read: numbers,
    cells: (row) => [
      row.phoneNumber,
      row.name,
      element("a", { href: `/console/agents/${row.agentId}` }, row.agentName),
      row.maxConcurrent === null ? "As the plan allows" : `${row.maxConcurrent} at once`,
      duration(row.maxSeconds),
      rowActions(
        rowButton("Edit", row.phoneNumber, () => this.edit(row)),
        sureButton("Remove", "Remove it?", row.phoneNumber, () => this.list.change(() => removeNumber(row.id))),
      ),
    ],
    empty: () => emptyState("phone", "No number is answered yet", "A number rings at its trunk. Here it is given to the agent that answers it; unknown numbers are refused."),
  });

  constructor() {
    const add = element("button", { class: "button button--small", type: "button" }, "Give an agent a number");
    add.addEventListener("click", () => void this.edit(null));
    this.root = element("section", { class: "panel section" }, this.list.root, element("div", {}, add));
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.list.start(signal);
  }

  private async edit(row: NumberConfig | null): Promise<void> {
    const agents = await this.list.attempt(() => offeredAgents(row?.agentId ?? null));
    if (agents !== null && (await openNumber(row, agents))) await this.list.refresh();
  }
}

/** Asks what a number does; whether that was saved. */
function openNumber(row: NumberConfig | null, agents: readonly (readonly [string, string])[]): Promise<boolean> {
  const phone = field({ id: "number", label: "Number", type: "tel", hint: "Of one of the trunks, with its country: +1…", attributes: { required: true, value: row?.phoneNumber ?? "" } });
  const name = field({ id: "number-name", label: "Name", attributes: { required: true, maxlength: "200", value: row?.name ?? "" } });
  const agent = select({ id: "number-agent", label: "Answered by", choices: agents, ...(row === null ? {} : { value: String(row.agentId) }) });
  const longest = field({
    id: "number-longest",
    label: "Longest call, in minutes",
    type: "number",
    attributes: { required: true, min: "1", max: "1440", value: String(Math.round((row?.maxSeconds ?? 1800) / 60)) },
  });
  const most = field({
    id: "number-most",
    label: "Calls at once",
    type: "number",
    hint: "Empty: as many as the plan allows. One more hears the busy tone.",
    attributes: { min: "1", max: "1000", value: String(row?.maxConcurrent ?? "") },
  });
  const keys = toggle({ id: "number-keys", label: "The agent hears keys that are pressed", attributes: { checked: row?.dtmf ?? true } });
  return openDialog({
    title: row === null ? "Give an agent a number" : `Number ${row.phoneNumber}`,
    body: [phone.root, name.root, agent.root, longest.root, most.root, keys.root],
    act: "Save",
    submit: () =>
      saveNumber(
        {
          name: name.input.value.trim(),
          phone_number: plainNumber(phone.input.value),
          agent_config_id: Number(agent.input.value),
          dtmf_enabled: keys.input.checked,
          max_call_duration: Number(longest.input.value) * 60,
          max_concurrent: most.input.value === "" ? null : Number(most.input.value),
        },
        row?.id ?? null,
      ),
  });
}
