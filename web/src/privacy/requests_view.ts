/** What was asked for people: exports with their files, erasures with their receipts, the newest first, followed while they are worked on. */

import { every } from "../console/clock";
import { emptyState } from "../console/empty";
import { select } from "../console/fields";
import { Problem, wordsFor } from "../console/problem";
import { sectionRoot, table, tag, timeTag } from "../console/section";
import { bytes, count, moment, sentence } from "../console/words";
import { element, setText } from "../dom/element";
import { type Erasure, type Export, type Kind, type Request, requestsOf } from "../platform/privacy";
import { newest } from "./person";

const AT_ONCE = 20;
const MOST = 100;
const FOLLOW_MS = 3_000;
const CHOICES = [
  ["", "Exports and erasures"],
  ["export", "Exports"],
  ["erasure", "Erasures and receipts"],
] as const;

export class RequestsView {
  readonly root: HTMLElement;

  private readonly kind = select({ id: "request-kind", label: "Show", choices: CHOICES });
  private readonly problem = new Problem();
  private readonly found = element("p", { class: "section__hint" });
  private readonly rows = element("div", {});
  private readonly more = element("button", { class: "button button--small", type: "button", hidden: true }, "Older");
  /** Who asked on this page knows whom they meant; the server keeps no name. */
  private readonly named = new Map<number, string>();
  private shown: Request[] = [];
  private total = 0;
  private drawn = "";
  private signal = AbortSignal.abort();
  private round = 0;

  constructor() {
    this.kind.input.addEventListener("change", () => void this.bring(null));
    this.more.addEventListener("click", () => void this.bring(this.shown.at(-1)?.id ?? null));
    this.root = sectionRoot(
      "asked",
      "Exports, erasures and their receipts",
      element("p", { class: "section__hint" }, "No name is kept of whom they were about, but a proof: the same for the same person, and nothing else."),
      element("div", { class: "filters" }, this.kind.root),
      this.problem.root,
      this.found,
      this.rows,
      this.more,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    every(FOLLOW_MS, signal, () => this.follow());
    await this.bring(null);
  }

  /** Shows one that was just asked for. */
  async add({ id, kind }: Request, name: string): Promise<void> {
    this.named.set(id, name);
    if (this.kind.input.value !== kind) this.kind.input.value = "";
    await this.bring(null);
  }

  async bring(before: number | null): Promise<void> {
    const round = ++this.round;
    this.more.disabled = true;
    try {
      const lists = await Promise.all(this.kinds().map((kind) => requestsOf(kind, before, AT_ONCE, this.signal)));
      if (round !== this.round) return;
      const rows = newest(lists.map((each) => each.rows), AT_ONCE);
      this.problem.clear();
      this.shown = before === null ? rows : [...this.shown, ...rows];
      this.total = lists.reduce((sum, each) => sum + each.total, 0);
      this.draw();
    } catch (error) {
      if (!this.signal.aborted && round === this.round) this.problem.tell(wordsFor(error));
    } finally {
      if (round === this.round) this.more.disabled = false;
    }
  }

  /** How those fare that are worked on. */
  private async follow(): Promise<void> {
    const { round } = this;
    const waiting = this.shown.filter(({ status }) => status === "pending");
    const first = waiting[0];
    if (first === undefined) return;
    try {
      const kinds = [...new Set(waiting.map(({ kind }) => kind))];
      const lists = await Promise.all(kinds.map((kind) => requestsOf(kind, first.id + 1, MOST, this.signal)));
      if (round !== this.round) return;
      const now = new Map(lists.flatMap(({ rows }) => rows).map((row) => [row.id, row]));
      this.shown = this.shown.map((row) => now.get(row.id) ?? row);
      this.problem.clear();
      this.draw();
    } catch (error) {
      if (!this.signal.aborted && round === this.round) this.problem.tell(wordsFor(error));
    }
  }

  private kinds(): readonly Kind[] {
    const chosen = this.kind.input.value;
    return chosen === "export" || chosen === "erasure" ? [chosen] : ["export", "erasure"];
  }

  private draw(): void {
    this.more.hidden = this.shown.length >= this.total;
    setText(this.found, this.total === 0 ? "" : `${count(this.shown.length)} of ${count(this.total)}`);
    const now = JSON.stringify(this.shown);
    if (now === this.drawn) return;
    this.drawn = now;
    const cells = this.shown.map((row) => [timeTag(row.createdAt), row.kind === "export" ? "Export" : "Erasure", this.whom(row), stateOf(row), actOf(row)]);
    const focused = this.rows.contains(document.activeElement) ? document.activeElement?.getAttribute("aria-label") : null;
    this.rows.replaceChildren(this.shown.length === 0 ? this.nothing() : table("Exports and erasures", ["Asked", "What", "Whom", "State", ""], cells));
    if (focused) [...this.rows.querySelectorAll("a")].find((link) => link.getAttribute("aria-label") === focused)?.focus();
  }

  private whom({ id, person }: Request): HTMLElement {
    const proof = element("code", { title: person }, `${person.slice(0, 10)}…`);
    const name = this.named.get(id);
    return name === undefined ? proof : element("span", { class: "whom" }, name, proof);
  }

  private nothing(): HTMLElement {
    return emptyState("shield", "Nothing was asked for yet", "An export hands out what is known of somebody, an erasure removes it and leaves a signed receipt. Both are asked for above.");
  }
}

function stateOf(row: Request): HTMLElement {
  if (row.status === "failed") return state(tag("Failed", "failed"), "It could not be finished. Ask for it once more: what was done is not done twice.");
  return row.kind === "export" ? exportState(row) : erasureState(row);
}

function exportState({ status, path, bytes: size, expiresAt }: Export): HTMLElement {
  if (status === "pending") return state(element("progress", { class: "progress", "aria-label": "Being made" }), "Being made");
  if (path === null || expiresAt === null) return state(tag("Removed"), "Its 24 hours are over.");
  return state(tag("Ready", "active"), `${size === null ? "" : `${bytes(size)}, `}until ${moment(expiresAt)}`);
}

export function erasureState({ status, progress, waitsFor, receiptHolds }: Erasure): HTMLElement {
  if (status === "completed") return receiptHolds === false ? state(tag("Receipt changed", "failed")) : state(tag("Erased", "active"));
  if (waitsFor !== null) return state(tag("Waits", "warning"), `${sentence(waitsFor)}. It goes on by itself after that.`);
  const part = `${Math.round(progress * 100)} %`;
  return state(element("progress", { class: "progress", max: "1", value: String(progress), "aria-label": "Erasing" }), part);
}

function state(shown: HTMLElement, words = ""): HTMLElement {
  return element("div", { class: "state" }, shown, words === "" ? null : element("span", { class: "state__words" }, words));
}

function actOf(row: Request): HTMLElement | string {
  if (row.kind === "export") {
    if (row.path === null) return "";
    return element("a", { class: "button button--small", href: row.path, download: `export-${row.id}.zip`, "aria-label": `Download export ${row.id}` }, "Download");
  }
  if (row.status === "failed") return "";
  const [words, label] = row.status === "completed" ? ["Receipt", "Receipt of erasure"] : ["Follow", "Follow erasure"];
  return element("a", { class: "button button--small", href: `/console/privacy/erasures/${row.id}`, "aria-label": `${label} ${row.id}` }, words);
}
