/** What goes on now, what today came to beside yesterday, and how the last days or hours went. */

import { chart, type Series } from "../console/chart";
import { every } from "../console/clock";
import { select } from "../console/fields";
import { sectionRoot, table, timeTag } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { ago, count, milliseconds, money, sentence } from "../console/words";
import { element } from "../dom/element";
import type { FailedSession, Figures, Overview } from "../platform/figures";
import { failedSessions, overview } from "../platform/figures";
import { firstSteps } from "./first_steps";
import "./overview.css";
import { change, dayBefore, zoneOfReader } from "./reading";

const AGAIN_MS = 15_000;
const FAILED_SHOWN = 6;
const REASONS_SHOWN = 7;
const RANGES: Record<string, { words: string; bucket: "hour" | "day"; days: number | null }> = {
  "24h": { words: "24 hours", bucket: "hour", days: null },
  "7d": { words: "7 days", bucket: "day", days: 7 },
  "30d": { words: "30 days", bucket: "day", days: 30 },
  "90d": { words: "90 days", bucket: "day", days: 90 },
};

class OverviewPage implements View {
  readonly title = "Overview";
  readonly root: HTMLElement;

  private readonly range;
  private readonly problem = new Problem();
  private readonly tiles = element("dl", { class: "tiles", "aria-label": "Now and today" });
  private readonly below = element("div", { class: "overview__below" });
  private signal = AbortSignal.abort();
  /** What is drawn; the same again is left as it is, so that nothing moves under a reader. */
  private drawn = "";

  constructor(place: Place) {
    const asked = place.query.get("range") ?? "";
    this.range = select({
      id: "range",
      label: "Shown",
      choices: Object.entries(RANGES).map(([id, { words }]) => [id, `Last ${words}`] as const),
      value: asked in RANGES ? asked : "30d",
    });
    this.range.input.addEventListener("change", () => {
      place.rename(`${place.path}?range=${this.range.input.value}`);
      void this.bring();
    });
    this.root = pageRoot(
      pageHead("Overview", "What goes on, and how your agents are doing.", element("div", { class: "filters" }, this.range.root)),
      this.problem.root,
      this.tiles,
      this.below,
    );
    this.tiles.append(...Array.from({ length: 6 }, () => element("div", { class: "tile panel", "aria-hidden": "true" })));
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await this.bring();
    every(AGAIN_MS, signal, () => this.bring());
  }

  private async bring(): Promise<void> {
    const asked = this.range.input.value;
    const { bucket, days } = RANGES[asked] ?? { bucket: "day", days: 30 };
    try {
      const from = days === null ? null : dayBefore(new Date(), days - 1);
      const told = await overview(bucket, from, zoneOfReader(), this.signal);
      const failed = told.period.failed + told.today.failed > 0 ? await failedSessions(FAILED_SHOWN, this.signal) : [];
      if (this.signal.aborted || asked !== this.range.input.value) return;
      this.problem.clear();
      this.tiles.replaceChildren(...tiles(told));
      await this.draw(told, failed, bucket, RANGES[asked]?.words ?? "");
    } catch (error) {
      if (!this.signal.aborted) this.problem.tell(wordsFor(error));
    }
  }

  private async draw(told: Overview, failed: FailedSession[], bucket: "hour" | "day", words: string): Promise<void> {
    const { series, period, before, now } = told;
    const begun = JSON.stringify([bucket, failed, series.map(({ to: _, ...figures }) => figures)]);
    if (begun === this.drawn) return;
    this.drawn = begun;
    const isNew = now.calls + period.sessions + before.sessions + told.yesterday.sessions === 0;
    this.tiles.hidden = isNew;
    this.range.root.hidden = isNew;
    if (isNew) this.below.replaceChildren(await firstSteps(this.signal));
    else this.below.replaceChildren(charts(told, failed, bucket, words));
  }
}

function tiles({ now, today, yesterday }: Overview): HTMLElement[] {
  const kinds = [
    [now.voice, "web"],
    [now.phone, "phone"],
    [now.bots, now.bots === 1 ? "bot" : "bots"],
  ].filter(([many]) => many !== 0);
  const going = kinds.map(([many, kind]) => `${many} ${kind}`).join(" · ") || "Nobody is talking";
  const oldest = now.oldestAt === null ? "" : `, longest since ${ago(now.oldestAt)}`;
  const main = today.failures[0];
  return [
    tile("Calls now", count(now.calls), going + oldest, { href: "/console/live", isLive: now.calls > 0 }),
    tile("Conversations today", count(today.sessions), change(today.sessions, yesterday.sessions, count)),
    tile("Minutes today", count(Math.round(today.minutes)), change(today.minutes, yesterday.minutes, (value) => count(Math.round(value)))),
    tile("Cost today", money(today.cost), change(today.cost, yesterday.cost, money)),
    tile("Failed today", count(today.failed), main === undefined ? change(today.failed, yesterday.failed, count) : reasons(today), {
      isBad: today.failed > 0,
      ...(today.failed > 0 ? { href: "/console/sessions?outcome=failed" } : {}),
    }),
    tile(
      "Answers today",
      today.p50 === null ? "–" : milliseconds(today.p50),
      today.p95 === null ? "No answers were measured" : `95 % within ${milliseconds(today.p95)}`,
    ),
  ];
}

function reasons({ failures }: Figures): string {
  return failures.map(({ reason, count: many }) => `${sentence(reason)} ${many}`).join(" · ");
}

function tile(label: string, figure: string, words: string, more: { href?: string; isLive?: boolean; isBad?: boolean } = {}): HTMLElement {
  const { href, isLive = false, isBad = false } = more;
  return element(
    "div",
    { class: "tile panel", ...(isLive ? { "data-state": "live" } : isBad ? { "data-state": "bad" } : {}) },
    element("dt", { class: "tile__label" }, href === undefined ? label : element("a", { class: "tile__link", href }, label)),
    element("dd", { class: "tile__figure" }, figure),
    element("dd", { class: "tile__words" }, words),
  );
}

function charts({ series, period, before }: Overview, failed: FailedSession[], bucket: "hour" | "day", words: string): HTMLElement {
  const form = new Intl.DateTimeFormat("en", bucket === "hour" ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : { month: "short", day: "numeric" });
  const times = series.map(({ from }) => form.format(new Date(from)));
  const values = (read: (figures: Figures) => number | null): (number | null)[] => series.map(read);
  const card = (id: string, title: string, sum: string, ofBefore: string, picture: HTMLElement): HTMLElement =>
    sectionRoot(
      id,
      title,
      element("p", { class: "overview__sum" }, element("strong", {}, sum), ` ${ofBefore}`),
      picture,
    );
  const compared = (now: number, then: number, show: (value: number) => string): string => change(now, then, show, `the ${words} before`);
  const whole = (value: number): string => count(Math.round(value));
  // Between whole things there is nothing to tell on an axis.
  const things = (value: number): string => (Number.isInteger(value) ? count(value) : "");
  const minutes = (value: number): string => value.toLocaleString("en", { maximumFractionDigits: 1 });
  return element(
    "div",
    { class: "overview__charts" },
    card(
      "conversations",
      "Conversations",
      count(period.sessions),
      compared(period.sessions, before.sessions, count),
      chart({
        label: "Conversations over time",
        kind: "bars",
        times,
        show: things,
        series: [
          { name: "Held", values: values(({ sessions, failed }) => sessions - failed) },
          { name: "Failed", values: values(({ failed }) => failed) },
        ],
      }),
    ),
    card(
      "minutes",
      "Minutes",
      whole(period.minutes),
      compared(period.minutes, before.minutes, whole),
      chart({ label: "Minutes over time", kind: "bars", times, show: minutes, series: [{ name: "Minutes", values: values(({ minutes }) => minutes) }] }),
    ),
    card(
      "latency",
      "Time to answer",
      period.p50 === null ? "–" : `${milliseconds(period.p50)} median`,
      period.p95 === null ? "no answers were measured" : `95 % within ${milliseconds(period.p95)}, ${count(period.answers)} answers`,
      chart({
        label: "Time from the end of speech to the first sound of the answer",
        kind: "lines",
        times,
        show: milliseconds,
        series: [
          { name: "Median", values: values(({ p50 }) => p50) },
          { name: "95 % within", values: values(({ p95 }) => p95) },
        ],
      }),
    ),
    card(
      "cost",
      "Cost",
      money(period.cost),
      compared(period.cost, before.cost, money),
      chart({ label: "Cost over time", kind: "bars", times, show: money, series: [{ name: "Cost", values: values(({ cost }) => cost) }] }),
    ),
    ...(period.failed === 0
      ? []
      : [
          card(
            "failures",
            "Failures by reason",
            count(period.failed),
            compared(period.failed, before.failed, count),
            chart({ label: "Failures by reason over time", kind: "bars", times, show: things, series: byReason(series, period) }),
          ),
        ]),
    failures(failed),
  );
}

/** A series for each of the most frequent reasons; the others are one. */
function byReason(series: readonly Figures[], period: Figures): Series[] {
  const named = period.failures.slice(0, REASONS_SHOWN).map(({ reason }) => reason);
  const of = (figures: Figures, reason: string): number => figures.failures.find((each) => each.reason === reason)?.count ?? 0;
  const found: Series[] = named.map((reason) => ({ name: sentence(reason), values: series.map((figures) => of(figures, reason)) }));
  if (period.failures.length > named.length) {
    const rest = series.map((figures) => figures.failed - named.reduce((sum, reason) => sum + of(figures, reason), 0));
    found.push({ name: "Others", values: rest });
  }
  return found;
}

function failures(failed: FailedSession[]): HTMLElement {
  return sectionRoot(
    "failed",
    "What failed last",
    table(
      "Conversations that failed last",
      ["Conversation", "With", "Why", "When"],
      failed.map(({ id, roomName, agentName, reason, startedAt }) => [
        element("a", { href: `/console/sessions/${id}` }, roomName.slice(roomName.indexOf("_") + 1)),
        agentName ?? "–",
        sentence(reason),
        timeTag(startedAt),
      ]),
      "No conversation has failed. When one does, it is here with its reason, one click from what was said.",
    ),
  );
}

export const open: Open = (place) => new OverviewPage(place);
