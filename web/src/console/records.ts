/** A list that is read whole: a table of it, words where there is nothing, and what it is after each change. */

import { element } from "../dom/element";
import { Problem, wordsFor } from "./problem";
import { table } from "./section";

export interface RecordsOptions<Row> {
  /** For screen readers. */
  readonly label: string;
  readonly columns: readonly string[] | (() => readonly string[]);
  readonly read: (signal: AbortSignal) => Promise<readonly Row[]>;
  /** A cell for each column. */
  readonly cells: (row: Row) => (string | Node)[];
  /** What is shown instead of a table without rows. */
  readonly empty: () => string | HTMLElement;
}

export class Records<Row> {
  readonly root: HTMLElement;
  /** As they were read last. */
  rows: readonly Row[] = [];

  private readonly problem = new Problem();
  private readonly place = element("div", {});
  private signal = AbortSignal.abort();
  /** What is asked for last is shown, whatever is answered last. */
  private round = 0;
  private drawn = "";

  constructor(private readonly options: RecordsOptions<Row>) {
    this.root = element("div", { class: "stack" }, this.problem.root, this.place);
  }

  /** Shows them; `signal` ends the reading, of later times too. */
  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await this.refresh();
  }

  /** Reads them again. Why that cannot be is told above them, and what was read before stays. */
  async refresh(): Promise<void> {
    const round = ++this.round;
    const isCurrent = (): boolean => round === this.round && !this.signal.aborted;
    try {
      const rows = await this.options.read(this.signal);
      if (!isCurrent()) return;
      this.problem.clear();
      this.rows = rows;
      this.draw();
    } catch (error) {
      if (isCurrent()) this.problem.tell(wordsFor(error));
    }
  }

  /** Does something; null where it cannot be done, which is told above the list. */
  async attempt<Done>(act: () => Promise<Done>): Promise<Done | null> {
    this.problem.clear();
    try {
      return await act();
    } catch (error) {
      if (!this.signal.aborted) this.problem.tell(wordsFor(error));
      return null;
    }
  }

  /** Does something to them and shows what is so then. Whether it was done; why it was not is told above them. */
  async change(act: () => Promise<void>): Promise<boolean> {
    let trouble: unknown;
    const isDone = await act().then(
      () => true,
      (error: unknown) => {
        trouble = error;
        return false;
      },
    );
    if (!isDone) this.drawn = ""; // a control may show what was wished
    await this.refresh();
    if (!isDone && !this.signal.aborted) this.problem.tell(wordsFor(trouble));
    return isDone;
  }

  /** What is shown already stays: a button that asks for certainty goes on asking. */
  private draw(): void {
    const { label, columns, cells, empty } = this.options;
    const now = JSON.stringify(this.rows);
    if (now === this.drawn) return;
    this.drawn = now;
    if (this.rows.length > 0) this.place.replaceChildren(table(label, typeof columns === "function" ? columns() : columns, this.rows.map(cells)));
    else {
      const words = empty();
      this.place.replaceChildren(typeof words === "string" ? element("p", { class: "section__empty" }, words) : words);
    }
  }
}
