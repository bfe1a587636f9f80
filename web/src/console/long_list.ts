/** A list of any length: only the rows in sight are in the document, and pages of it are fetched as they come into sight. */

import { element } from "../dom/element";
import type { Listed } from "../platform/client";
import { wordsFor } from "./problem";
import { rowsInSight } from "./sight";

export interface LongListOptions<Row> {
  /** For screen readers. */
  readonly label: string;
  readonly columns: readonly string[];
  /** The page, counted from 1, of `perPage` rows. */
  readonly fetch: (page: number, perPage: number, signal: AbortSignal) => Promise<Listed<Row>>;
  /** A cell for each column. */
  readonly cells: (row: Row) => (string | Node)[];
  /** Where a click on the row leads, if anywhere; or else what it does. */
  readonly href?: (row: Row) => string | null;
  readonly pick?: (row: Row) => void;
  /** What is shown instead of a list without rows. */
  readonly empty: () => HTMLElement;
  /** How many pages the API gives; what is beyond is not shown. */
  readonly lastPage?: number;
}

const PER_PAGE = 100;
const ROW = 52;
const ROW_NARROW = 84;
const AROUND = 12;

export class LongList<Row> {
  readonly root: HTMLElement;

  private readonly space = element("div", { class: "long__space", role: "rowgroup" });
  private readonly body: HTMLElement;
  private readonly problem = element("p", { class: "long__problem", role: "alert", hidden: true });
  private readonly instead = element("div", { hidden: true });
  private readonly narrow = matchMedia("(max-width: 47.5rem)");
  private readonly pages = new Map<number, Row[]>();
  private readonly asked = new Set<number>();
  private readonly drawn = new Map<number, HTMLElement>();
  private total = 0;
  private signal = AbortSignal.abort();
  /** Changes with each new beginning, so that answers to what was asked before it are dropped. */
  private round = 0;
  private waiting = false;

  constructor(private readonly options: LongListOptions<Row>) {
    const head = element(
      "div",
      { class: "long__row long__head", role: "row", "aria-rowindex": "1" },
      ...options.columns.map((column) => element("span", { role: "columnheader" }, column)),
    );
    this.body = element(
      "div",
      { class: "long__body", role: "table", "aria-label": options.label, tabindex: "0", "data-columns": String(options.columns.length) },
      element("div", { class: "long__heads", role: "rowgroup" }, head),
      this.space,
    );
    this.root = element("div", { class: "long panel" }, this.problem, this.instead, this.body);
    this.body.addEventListener("scroll", () => this.drawSoon(), { passive: true });
  }

  /** Shows the list from its top; until `signal` ends. */
  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    this.narrow.addEventListener("change", () => this.redraw(), { signal });
    const sight = new ResizeObserver(() => this.drawSoon());
    sight.observe(this.body);
    signal.addEventListener("abort", () => sight.disconnect());
    await this.reload();
  }

  /** Everything anew, as after another filter. */
  async reload(): Promise<void> {
    this.round += 1;
    this.pages.clear();
    this.asked.clear();
    this.body.scrollTop = 0;
    await this.bring(1);
  }

  /** What is in sight anew, where the reader is. */
  async refresh(): Promise<void> {
    this.round += 1;
    this.asked.clear();
    const [first, last] = this.sight();
    for (const page of [...this.pages.keys()]) {
      if (page < pageOf(first) || page > pageOf(last)) this.pages.delete(page);
    }
    await Promise.all(range(pageOf(first), pageOf(last)).map((page) => this.bring(page)));
  }

  /** Does something to a row and shows what is so then; why it cannot be done is told above the list. */
  async change(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.tell(wordsFor(error));
      return;
    }
    await this.refresh();
  }

  private tell(words: string): void {
    this.problem.textContent = words;
    this.problem.hidden = words === "";
  }

  private async bring(page: number): Promise<void> {
    if (this.asked.has(page) || page > (this.options.lastPage ?? Number.POSITIVE_INFINITY)) return;
    this.asked.add(page);
    const { round } = this;
    try {
      const found = await this.options.fetch(page, PER_PAGE, this.signal);
      if (round !== this.round) return;
      this.tell("");
      this.total = Math.min(found.total, (this.options.lastPage ?? Number.POSITIVE_INFINITY) * PER_PAGE);
      this.pages.set(page, found.rows);
      this.redraw((number) => pageOf(number) === page || !this.pages.has(pageOf(number)));
    } catch (error) {
      if (this.signal.aborted || round !== this.round) return;
      this.asked.delete(page);
      this.tell(wordsFor(error));
    }
  }

  private get rowHeight(): number {
    return this.narrow.matches ? ROW_NARROW : ROW;
  }

  private sight(): [number, number] {
    const { scrollTop, clientHeight } = this.body;
    return rowsInSight({ top: scrollTop, height: clientHeight, rowHeight: this.rowHeight, total: this.total, around: AROUND });
  }

  private drawSoon(): void {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  /** Draws anew the rows that are out of date; the others stay as they are. */
  private redraw(isOld: (number: number) => boolean = () => true): void {
    let focused: number | undefined;
    for (const [number, row] of this.drawn) {
      if (!isOld(number)) continue;
      if (row.contains(document.activeElement)) focused = number;
      row.remove();
      this.drawn.delete(number);
    }
    this.draw();
    if (focused !== undefined) this.drawn.get(focused)?.querySelector<HTMLElement>(".long__link")?.focus({ preventScroll: true });
  }

  private draw(): void {
    const isEmpty = this.total === 0 && this.pages.has(1);
    this.body.hidden = isEmpty;
    this.instead.hidden = !isEmpty;
    this.instead.replaceChildren(...(isEmpty ? [this.options.empty()] : []));
    this.body.setAttribute("aria-rowcount", String(this.total + 1));
    this.space.style.height = `${this.total * this.rowHeight}px`;
    const [first, last] = this.sight();
    for (const [number, row] of this.drawn) {
      if (number < first || number >= last) {
        // A row that has the focus stays until the focus goes on.
        if (row.contains(document.activeElement)) continue;
        row.remove();
        this.drawn.delete(number);
      }
    }
    for (let number = first; number < last; number += 1) {
      const page = pageOf(number);
      const row = this.pages.get(page)?.[number % PER_PAGE];
      if (row === undefined) void this.bring(page);
      else if (!this.drawn.has(number)) this.drawn.set(number, this.place(number, row));
    }
  }

  private place(number: number, row: Row): HTMLElement {
    const { columns, cells } = this.options;
    const root = element(
      "div",
      { class: "long__row", role: "row", "aria-rowindex": String(number + 2) },
      ...cells(row).map((cell, column) => {
        const content = column === 0 ? this.opener(row, cell) : cell;
        return element("span", { class: "long__cell", role: "cell", "data-column": columns[column] ?? "" }, content);
      }),
    );
    root.style.transform = `translateY(${number * this.rowHeight}px)`;
    root.style.height = `${this.rowHeight}px`;
    let after = Number.POSITIVE_INFINITY;
    for (const other of this.drawn.keys()) if (other > number && other < after) after = other;
    this.space.insertBefore(root, this.drawn.get(after) ?? null);
    return root;
  }

  /** The first cell's link, or button, reaches over the whole row. */
  private opener(row: Row, cell: string | Node): HTMLElement {
    const { href, pick } = this.options;
    if (href !== undefined) {
      const to = href(row);
      return to === null ? element("span", {}, cell) : element("a", { class: "long__link", href: to }, cell);
    }
    const button = element("button", { class: "long__link", type: "button" }, cell);
    button.addEventListener("click", () => pick?.(row));
    return button;
  }
}

function pageOf(number: number): number {
  return Math.floor(number / PER_PAGE) + 1;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, number) => first + number);
}
