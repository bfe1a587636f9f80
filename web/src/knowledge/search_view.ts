/** A place to try a base: a question, the passages it finds, and what each score is made of. */

import { emptyState } from "../console/empty";
import { field, select } from "../console/fields";
import { tag } from "../console/section";
import { mend, notice, Problem, wordsFor } from "../console/problem";
import { counted, milliseconds } from "../console/words";
import { element } from "../dom/element";
import { type Found, search } from "../platform/knowledge";
import { openChunk } from "./chunk_dialog";
import type { PageTab } from "../console/tabs";
import type { BaseContext } from "./context";
import { editGolden } from "./golden_dialog";
import { figure, RELEVANT, scoreBars, share } from "./score";

export class SearchView implements PageTab {
  readonly id = "search";
  readonly title = "Try out";
  readonly root: HTMLElement;

  private readonly question = field({ id: "try-question", label: "Question", type: "search", attributes: { required: true, maxlength: "2000", autocomplete: "off", placeholder: "What does it cost on Sundays?" } });
  private readonly count = select({ id: "try-count", label: "Passages", choices: ["3", "5", "10", "20"].map((count) => [count, count] as const), value: "5" });
  private readonly ask = element("button", { class: "button button--action", type: "submit" }, "Ask");
  private readonly problem = new Problem();
  private readonly verdict = element("div", { role: "status" });
  private readonly results = element("ol", { class: "found" });
  private readonly instead = element("div", { class: "panel" }, emptyState("question", "Ask what a caller would ask", "You see the passages an agent is given, best first, and why each is where it is."));
  private signal: AbortSignal | null = null;
  private round = 0;

  constructor(private readonly context: BaseContext) {
    const form = element("form", { class: "row-form base-ask" }, this.question.root, this.count.root, this.ask);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.run();
    });
    this.root = element("div", { class: "stack" }, form, this.problem.root, this.verdict, this.instead, this.results);
  }

  start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    return Promise.resolve();
  }

  private async run(): Promise<void> {
    const { signal } = this;
    const question = this.question.input.value.trim();
    if (signal === null || question === "") return;
    this.round += 1;
    const { round } = this;
    this.ask.disabled = true;
    this.problem.clear();
    try {
      const { found, tookMs } = await search(this.context.id, question, Number(this.count.input.value), signal);
      if (round === this.round) this.show(question, found, tookMs);
    } catch (error) {
      if (!signal.aborted) this.problem.tell(wordsFor(error));
    } finally {
      this.ask.disabled = false;
    }
  }

  private show(question: string, found: readonly Found[], tookMs: number): void {
    const [best] = found;
    this.instead.hidden = true;
    const took = `found in ${milliseconds(tookMs)}`;
    if (best === undefined) this.verdict.replaceChildren(notice("plain", "Nothing is found", mend("The base is empty, or all of its passages are switched off.")));
    else if (best.score < RELEVANT) {
      const words = "The agent is told that the base holds nothing relevant, and says so. Upload what answers this, or mend a passage.";
      this.verdict.replaceChildren(notice("plain", `Not answered: the best score ${figure(best.score)} is below ${RELEVANT}`, mend(words)));
    } else this.verdict.replaceChildren(notice("good", `Answered: the best score is ${figure(best.score)}`, mend(`${counted(found.length, "passage")}, ${took}`)));
    this.results.replaceChildren(...found.map((passage) => this.card(question, passage)));
  }

  private card(question: string, passage: Found): HTMLElement {
    const open = element("button", { class: "button button--quiet button--small", type: "button" }, "Open");
    open.setAttribute("aria-label", `Open the passage of ${passage.source}`);
    open.addEventListener("click", () => void this.open(passage.id));
    const keep = element("button", { class: "button button--quiet button--small", type: "button" }, "This answers it");
    keep.title = "Keep it as a golden question";
    keep.addEventListener("click", () => void this.keep(question, passage));
    const where = [passage.heading, passage.page === null ? null : `page ${passage.page}`, passage.row === null ? null : `row ${passage.row}`].filter((part) => part !== null);
    const whole = element("span", { class: "found__meter", "aria-hidden": "true" }, element("span", {}));
    whole.style.setProperty("--share", String(share(passage.score)));
    return element(
      "li",
      { class: "found__item panel" },
      element(
        "div",
        { class: "found__head" },
        element("span", { class: "found__score" }, figure(passage.score)),
        whole,
        element("span", { class: "found__source" }, element("strong", {}, passage.source), ...(where.length === 0 ? [] : [element("span", { class: "field__hint" }, where.join(" · "))])),
        passage.score < RELEVANT ? tag("Not relevant", "warning") : null,
      ),
      element("p", { class: "found__text" }, passage.content),
      scoreBars(passage.parts),
      element("div", { class: "page__actions" }, keep, open),
    );
  }

  private async open(id: number): Promise<void> {
    try {
      if (await openChunk(this.context.id, id)) await Promise.all([this.run(), this.context.reread()]);
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }

  private async keep(question: string, passage: Found): Promise<void> {
    const words = passage.content.trim().split(/\s+/).slice(0, 6).join(" ");
    if (await editGolden(this.context.id, { question, source: passage.source, contains: words })) this.context.openTab("golden");
  }
}
