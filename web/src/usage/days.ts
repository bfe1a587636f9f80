/** Days of a period, and what groups came to in them. */

import type { UsagePeriod, UsageRow } from "../platform/figures";

const DAY = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", timeZone: "UTC" });

/** The days of a period up to now, by UTC, those without any use among them. */
export function daysOf(period: UsagePeriod, now: Date): string[] {
  const days = period === "month" ? now.getUTCDate() : period === "7d" ? 7 : 30;
  const today = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate());
  return Array.from({ length: days }, (_, number) => new Date(today - (days - 1 - number) * 86_400_000).toISOString().slice(0, 10));
}

/** A day for people: it is one of UTC wherever they are. */
export function dayWords(day: string): string {
  return DAY.format(new Date(`${day}T00:00:00Z`));
}

export interface Sum extends Omit<UsageRow, "day" | "group"> {
  name: string;
}

/** What each group came to in all days, the dearest first. */
export function sums(rows: readonly UsageRow[]): Sum[] {
  const groups = new Map<string, Sum>();
  for (const { group, cost, calls, tokens, minutes, characters } of rows) {
    const sum = groups.get(group) ?? { name: group, cost: 0, calls: 0, tokens: 0, minutes: 0, characters: 0 };
    sum.cost += cost;
    sum.calls += calls;
    sum.tokens += tokens;
    sum.minutes += minutes;
    sum.characters += characters;
    groups.set(group, sum);
  }
  return [...groups.values()].sort((a, b) => b.cost - a.cost || b.calls - a.calls || a.name.localeCompare(b.name));
}
