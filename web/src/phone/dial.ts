/** The dialog that rings a number. */

import { offeredAgents } from "../console/agents";
import { openDialog } from "../console/dialog";
import { field, select } from "../console/fields";
import { dial, plainNumber } from "../platform/phone";

/** Asks whom to call; `began` hears which session it is. Throws where nobody could talk, or that cannot be told. */
export async function openDial(began: (sessionId: number) => void): Promise<void> {
  const agents = await offeredAgents(null);
  const number = field({
    id: "dial-number",
    label: "Number",
    type: "tel",
    hint: "With its country: +1 415 555 0123.",
    attributes: { required: true, autocomplete: "off" },
  });
  const agent = select({ id: "dial-agent", label: "Who talks", choices: agents });
  let session = 0;
  const isDone = await openDialog({
    title: "Call a number",
    body: [number.root, agent.root],
    act: "Call",
    submit: async () => {
      session = await dial(plainNumber(number.input.value), Number(agent.input.value));
    },
  });
  if (isDone) began(session);
}
