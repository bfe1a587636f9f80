/** Agents, as pages choose among them. */

import { list } from "./client";

export interface AgentName {
  id: number;
  name: string;
  isActive: boolean;
}

export async function agentNames(signal?: AbortSignal): Promise<AgentName[]> {
  const { rows } = await list(
    "/agents",
    "agents",
    (row) => ({ id: Number(row["id"]), name: String(row["name"]), isActive: row["is_active"] !== false }),
    signal,
  );
  return rows;
}

/** For a `select`: those that answer, and `kept`, which may be one that does not any more. */
export function agentChoices(agents: readonly AgentName[], kept: number | null = null): (readonly [string, string])[] {
  return agents
    .filter(({ id, isActive }) => isActive || id === kept)
    .map(({ id, name, isActive }) => [String(id), isActive ? name : `${name} (switched off)`]);
}
