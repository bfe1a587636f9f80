/** Choosing among the project's agents. */

import { agentChoices, agentNames } from "../platform/agents";
import { Refused } from "./problem";

/** Those that answer, for a `select`, and `kept`, which may be one that does not any more. Throws `Refused` where there is none. */
export async function offeredAgents(kept: number | null): Promise<(readonly [string, string])[]> {
  const found = agentChoices(await agentNames(), kept);
  if (found.length === 0) throw new Refused("There is no agent in service yet. Make one under Agents, or switch one on.");
  return found;
}
