/** What a project keeps, and what of it a form would change. Pure. */

import type { Project, ProjectChange } from "../platform/projects";

export type Keeping = Pick<ProjectChange, "retention_days" | "store_transcripts" | "redact" | "redact_names">;

export function keepingOf(project: Project): Keeping {
  return {
    retention_days: project.retentionDays,
    store_transcripts: project.storeTranscripts,
    redact: project.redact,
    redact_names: project.redactNames,
  };
}

/** What is other than before; what somebody else changed meanwhile stays. */
export function changesOf(before: Keeping, wish: Keeping): Partial<Keeping> {
  const names = Object.keys(wish) as (keyof Keeping)[];
  return Object.fromEntries(names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(wish[name])).map((name) => [name, wish[name]]));
}

/** Whether it is kept for less long: what is older goes for good. */
export function isShorter(before: number | null, wish: number | null): boolean {
  return wish !== null && (before === null || wish < before);
}

/** One name a line; each once. */
export function namesIn(text: string): string[] {
  const lines = text.split("\n").map((line) => line.trim());
  return [...new Set(lines.filter((line) => line !== ""))];
}

/** What there is, and for how long: pairs of both. */
export function spansOf({ retention_days: days, store_transcripts: isStored }: Keeping): [what: string, until: string][] {
  const ended = days === null ? "For ever" : days === 1 ? "1 day after they ended" : `${days.toLocaleString("en")} days after they ended`;
  return [
    ["What is said: lines, turns, summaries, analyses", isStored ? `${ended}, where the agent keeps it too` : "Not at all: it is shown live, and on no disk"],
    ["Conversations, calls, meetings, bots, events, deliveries", ended],
    ["Recordings", ended],
    ["Exports of a person", "24 hours"],
    ["Receipts, the audit trail, what it cost", "For ever: none of them holds what was said"],
    ["Backups", "As long as whoever runs this server keeps them; a receipt says until when, where that is set"],
  ];
}
