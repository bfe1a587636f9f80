/** Parts that are more than one field: knowledge bases to choose from, and a budget. */

import { element } from "../dom/element";
import { field } from "../console/fields";
import type { Json } from "../platform/client";
import { type Part, sentence } from "./form";

export interface Choice {
  readonly id: number;
  readonly name: string;
  readonly hint: string;
}

/** Knowledge bases; those the project has are told by `offer`. */
export class BasesPart implements Part {
  readonly name = "knowledge_base_ids";
  readonly root: HTMLElement;

  private readonly list = element("div", { class: "agent-bases" });
  private readonly problem = element("p", { class: "field__problem", hidden: true, role: "alert" });
  private chosen: number[] = [];
  private offered: readonly Choice[] | null = null;
  private trouble = "";

  constructor() {
    this.root = element("fieldset", { class: "agent-fieldset" }, element("legend", { class: "visually-hidden" }, "Knowledge bases"), this.list, this.problem);
  }

  offer(choices: readonly Choice[]): void {
    this.offered = choices;
    this.draw();
  }

  /** Why the project's cannot be told; those that were chosen stay. */
  withhold(trouble: string): void {
    this.trouble = `Which knowledge bases there are cannot be told. ${trouble}`;
    this.offer([]);
  }

  show(value: unknown): void {
    this.chosen = Array.isArray(value) ? value.map(Number) : [];
    this.draw();
  }

  read(): unknown {
    return this.chosen;
  }

  refuse(problem: string): void {
    this.problem.textContent = sentence(problem);
    this.problem.hidden = problem === "";
  }

  focus(): void {
    this.list.querySelector<HTMLElement>("input")?.focus();
  }

  private draw(): void {
    if (this.offered === null) return;
    const lost = this.chosen.filter((id) => this.offered?.some((base) => base.id === id) !== true);
    const all = [...this.offered, ...lost.map((id) => ({ id, name: `Knowledge base ${id}`, hint: "" }))];
    if (all.length === 0 && this.trouble === "") {
      this.list.replaceChildren(
        element(
          "p",
          { class: "section__empty" },
          "There is no knowledge base yet. ",
          element("a", { href: "/console/knowledge" }, "Upload what this agent should know"),
          ", then choose it here.",
        ),
      );
      return;
    }
    this.list.replaceChildren(
      ...all.map(({ id, name, hint }) => {
        const input = element("input", { type: "checkbox", checked: this.chosen.includes(id) });
        input.addEventListener("change", () => {
          this.chosen = input.checked ? [...this.chosen, id] : this.chosen.filter((other) => other !== id);
        });
        const words = element("span", { class: "agent-base__words" }, element("span", {}, name), element("span", { class: "field__hint" }, hint));
        return element(
          "div",
          { class: "agent-base" },
          element("label", { class: "choice" }, input, words),
          element("a", { class: "agent-base__link", href: `/console/knowledge/${id}`, "aria-label": `Open ${name}` }, "Open"),
        );
      }),
      ...(this.trouble === "" ? [] : [element("p", { class: "section__empty", role: "alert" }, this.trouble)]),
    );
  }
}

/** What an agent may cost in a month; without a limit it is null. */
export class BudgetPart implements Part {
  readonly name = "budget";
  readonly root: HTMLElement;

  private readonly limit = field({
    id: "set-budget-limit",
    label: "Limit a month (US$)",
    type: "number",
    hint: "Empty: no limit. When it is spent, no call begins, and those that run are wound up.",
    attributes: { min: "0.01", step: "0.01", inputmode: "decimal", placeholder: "No limit" },
  });
  private readonly soft = field({
    id: "set-budget-soft",
    label: "Warn at (%)",
    type: "number",
    hint: "Of the limit; once a month, by the event budget.warning.",
    attributes: { min: "0", max: "100", step: "1", inputmode: "numeric" },
  });

  constructor() {
    this.root = element("div", { class: "agent-beside" }, this.limit.root, this.soft.root);
  }

  show(value: unknown): void {
    const budget = (value ?? {}) as Json;
    this.limit.input.value = typeof budget["limit_usd"] === "number" ? String(budget["limit_usd"]) : "";
    this.soft.input.value = String(Math.round(Number(budget["soft_at"] ?? 0.8) * 10_000) / 100);
  }

  read(): unknown {
    if (this.limit.input.value === "") return null;
    return { limit_usd: Number(this.limit.input.value), soft_at: Number(this.soft.input.value) / 100 };
  }

  refuse(problem: string, rest: string): void {
    this.limit.refuse(rest === "soft_at" ? "" : sentence(problem));
    this.soft.refuse(rest === "soft_at" ? sentence(problem) : "");
  }

  focus(): void {
    this.limit.input.focus();
  }
}
