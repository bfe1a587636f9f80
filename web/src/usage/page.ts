/** What was used and what it cost, what the plan and the budget allow, and what the account was charged. */

import { chart, type Series } from "../console/chart";
import { select } from "../console/fields";
import { sectionRoot, table } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { count, money } from "../console/words";
import { element } from "../dom/element";
import type { Account } from "../platform/account";
import { usage, type Usage, type UsageGroup, type UsagePeriod } from "../platform/figures";
import { BudgetSection } from "./budget_section";
import { dayWords, daysOf, sums } from "./days";
import { QuotaSection } from "./quota_section";
import { TransactionsSection } from "./transactions_section";
import "./usage.css";

const PERIODS: Record<UsagePeriod, string> = { "7d": "Last 7 days", "30d": "Last 30 days", month: "This month" };
const GROUPS: Record<UsageGroup, string> = { model: "Model", agent: "Agent", service: "Service" };
/** Colours there are: one is for all the others. */
const NAMED = 7;

class UsagePage implements View {
  readonly title = "Usage and cost";
  readonly root: HTMLElement;

  private readonly period;
  private readonly group;
  private readonly problem = new Problem();
  private readonly costs = element("div", { class: "usage__costs stack" });
  private readonly parts: readonly { root: HTMLElement; start(signal: AbortSignal): Promise<void> }[];
  private signal = AbortSignal.abort();

  constructor(place: Place, account: Account) {
    const kept = (name: string, choices: object, otherwise: string): string => {
      const given = place.query.get(name) ?? "";
      return given in choices ? given : otherwise;
    };
    this.period = select({ id: "period", label: "Shown", choices: Object.entries(PERIODS), value: kept("period", PERIODS, "30d") });
    this.group = select({ id: "group", label: "By", choices: Object.entries(GROUPS), value: kept("by", GROUPS, "model") });
    for (const { input } of [this.period, this.group]) {
      input.addEventListener("change", () => {
        place.rename(`${place.path}?period=${this.period.input.value}&by=${this.group.input.value}`);
        void this.bring();
      });
    }
    this.parts = [new BudgetSection(account.projectId), new QuotaSection(), new TransactionsSection()];
    this.root = pageRoot(
      pageHead(
        "Usage and cost",
        "What your agents used. Days are those of UTC, as in your budget.",
        element("div", { class: "filters" }, this.period.root, this.group.root),
      ),
      this.problem.root,
      sectionRoot("costs", "Cost by day", this.costs),
      element("div", { class: "usage__beside" }, ...this.parts.slice(0, 2).map(({ root }) => root)),
      ...this.parts.slice(2).map(({ root }) => root),
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await Promise.all([this.bring(), ...this.parts.map((part) => part.start(signal))]);
  }

  private async bring(): Promise<void> {
    const [period, by] = [this.period.input.value as UsagePeriod, this.group.input.value as UsageGroup];
    try {
      const used = await usage(period, by, this.signal);
      if (this.signal.aborted || period !== this.period.input.value || by !== this.group.input.value) return;
      this.problem.clear();
      this.costs.replaceChildren(...shown(used, period, by));
    } catch (error) {
      if (!this.signal.aborted) this.problem.tell(wordsFor(error));
    }
  }
}

function shown(used: Usage, period: UsagePeriod, by: UsageGroup): HTMLElement[] {
  const days = daysOf(period, new Date());
  const groups = sums(used.rows);
  const named = groups.slice(0, groups.length > NAMED + 1 ? NAMED : NAMED + 1).map(({ name }) => name);
  const series: Series[] = named.map((name) => ({ name, values: days.map((day) => costOf(used, day, (group) => group === name)) }));
  if (groups.length > named.length) {
    series.push({ name: "Others", values: days.map((day) => costOf(used, day, (group) => !named.includes(group))) });
  }
  const kind = GROUPS[by];
  const rows = groups.map(({ name, cost, calls, tokens, minutes, characters }) => [
    name,
    money(cost),
    used.cost === 0 ? "–" : `${((cost / used.cost) * 100).toFixed(1)} %`,
    count(calls),
    amounts(tokens, minutes, characters),
  ]);
  return [
    element(
      "p",
      { class: "usage__sum" },
      element("strong", {}, money(used.cost)),
      ` for ${count(used.calls)} calls of providers · ${amounts(used.tokens, used.minutes, used.characters)}`,
    ),
    ...(groups.length === 0
      ? []
      : [chart({ label: `Cost by day and ${kind.toLowerCase()}`, kind: "bars", times: days.map(dayWords), show: money, series })]),
    table(`Cost by ${kind.toLowerCase()}`, [kind, "Cost", "Share", "Calls", "Used"], rows, "Nothing was used in this time. What your agents use appears here within seconds."),
    ...(used.unpriced.length === 0
      ? []
      : [element("p", { class: "section__hint" }, `Without a price, and therefore counted as free: ${used.unpriced.join(", ")}.`)]),
  ];
}

function costOf({ rows }: Usage, day: string, fits: (group: string) => boolean): number {
  return rows.reduce((sum, row) => (row.day === day && fits(row.group) ? sum + row.cost : sum), 0);
}

function amounts(tokens: number, minutes: number, characters: number): string {
  const parts = [
    tokens === 0 ? "" : `${count(tokens)} tokens`,
    minutes === 0 ? "" : `${minutes.toLocaleString("en", { maximumFractionDigits: 1 })} min heard`,
    characters === 0 ? "" : `${count(characters)} characters spoken`,
  ].filter((part) => part !== "");
  return parts.join(" · ") || "–";
}

export const open: Open = (place, account) => new UsagePage(place, account);
