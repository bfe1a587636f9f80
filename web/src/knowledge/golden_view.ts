/** Questions whose answers are known, and how well the base finds them. */

import { emptyState } from "../console/empty";
import { select } from "../console/fields";
import { rowActions, rowButton, sureButton, table, tag } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { element } from "../dom/element";
import { type Evaluation, evaluate, type Golden, goldenQuestions } from "../platform/knowledge";
import type { PageTab } from "../console/tabs";
import type { BaseContext } from "./context";
import { editGolden, removeGolden } from "./golden_dialog";
import { figure } from "./score";

export class GoldenView implements PageTab {
  readonly id = "golden";
  readonly title = "Golden questions";
  readonly root: HTMLElement;

  private readonly problem = new Problem();
  private readonly k = select({ id: "golden-k", label: "Among the first", choices: ["1", "3", "5", "10"].map((count) => [count, count] as const), value: "5" });
  private readonly run = element("button", { class: "button button--action button--small", type: "button" }, "Evaluate");
  private readonly figures = element("div", { role: "status" });
  private readonly list = element("div", {});
  private questions: Golden[] = [];
  private signal: AbortSignal | null = null;

  constructor(private readonly context: BaseContext) {
    const add = element("button", { class: "button button--small", type: "button" }, "New question");
    add.addEventListener("click", () => void this.edit({ question: "", source: "", contains: "" }));
    this.run.addEventListener("click", () => void this.evaluate());
    this.k.input.addEventListener("change", () => {
      if (this.figures.childElementCount > 0) void this.evaluate();
    });
    this.root = element(
      "section",
      { class: "panel section", "aria-label": "Golden questions" },
      element(
        "div",
        { class: "base-head" },
        element("p", { class: "section__hint" }, "Ask them after each change of the base: you see at once whether what was found before is still found."),
        element("div", { class: "filters" }, add, this.k.root, this.run),
      ),
      this.problem.root,
      this.figures,
      this.list,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await this.refresh();
  }

  async refresh(): Promise<void> {
    const { signal } = this;
    if (signal === null) return;
    try {
      this.questions = await goldenQuestions(this.context.id, signal);
      this.figures.replaceChildren();
      this.draw(null);
    } catch (error) {
      if (!signal.aborted) this.problem.tell(wordsFor(error));
    }
  }

  private async evaluate(): Promise<void> {
    this.run.disabled = true;
    this.problem.clear();
    try {
      const k = Number(this.k.input.value);
      const result = await evaluate(this.context.id, k, this.signal ?? undefined);
      const found = result.questions.filter(({ rank }) => rank !== null).length;
      this.figures.replaceChildren(
        element(
          "dl",
          { class: "facts base-figures" },
          fact(`${Math.round(result.recall * 100)} %`, `Recall: ${found} of ${result.questions.length} found among the first ${k}`),
          fact(figure(result.mrr), "MRR: 1 where every answer stands first"),
        ),
      );
      this.draw(result);
    } catch (error) {
      if (this.signal?.aborted !== true) this.problem.tell(wordsFor(error));
    } finally {
      this.run.disabled = this.questions.length === 0;
    }
  }

  /** Those that are not found come first: they are what there is to mend. */
  private draw(result: Evaluation | null): void {
    this.run.disabled = this.questions.length === 0;
    if (this.questions.length === 0) {
      const words = "Write down what callers ask and which document answers it. Then one click tells how many answers the base finds, and which it misses.";
      this.list.replaceChildren(emptyState("target", "No golden questions yet", words));
      return;
    }
    const told = this.questions.map((golden, number) => ({ golden, of: result?.questions[number] ?? null }));
    if (result !== null) told.sort((a, b) => (b.of?.rank ?? 1_000) - (a.of?.rank ?? 1_000));
    const rows = told.map(({ golden, of }) => {
      return [
        golden.question,
        element("span", { class: "base-answer" }, golden.source, golden.contains === "" ? "" : element("span", { class: "field__hint" }, `“${golden.contains}”`)),
        of === null ? "–" : of.rank === null ? tag("Not found", "failed") : tag(of.rank === 1 ? "First" : `Place ${of.rank}`, of.rank === 1 ? "active" : "warning"),
        of?.score === null || of === null ? "–" : figure(of.score),
        rowActions(
          rowButton("Edit", golden.question, () => this.edit(golden, golden)),
          sureButton("Remove", "Remove it?", golden.question, () => this.remove(golden)),
        ),
      ];
    });
    this.list.replaceChildren(table("Golden questions", ["Question", "Answered by", "Found", "Score", ""], rows, ""));
  }

  private async edit(golden: Golden, replaces: Golden | null = null): Promise<void> {
    if (await editGolden(this.context.id, golden, replaces)) await this.refresh();
  }

  private async remove(golden: Golden): Promise<void> {
    try {
      await removeGolden(this.context.id, golden);
      await this.refresh();
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }
}

function fact(value: string, words: string): HTMLElement {
  return element("div", { class: "base-fact" }, element("dt", {}, words), element("dd", { class: "base-figure" }, value));
}
