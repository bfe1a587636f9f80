/** Models that are tried one after the other when those before them fail. */

import { element } from "../dom/element";
import { icon } from "../dom/icons";
import type { Json } from "../platform/client";
import { type Part, sentence } from "./form";
import { PROVIDERS } from "./words";

type Kind = keyof typeof PROVIDERS;

const MOST = 5;

export class FallbacksPart implements Part {
  readonly name: string;
  readonly root: HTMLElement;

  private readonly rows = element("ol", { class: "agent-rows" });
  private readonly problem = element("p", { class: "field__problem", hidden: true, role: "alert" });
  private readonly add = element("button", { class: "button button--small", type: "button" }, "Add a fallback");

  constructor(
    private readonly kind: Kind,
    what: string,
    private readonly changed: () => void,
  ) {
    this.name = `fallbacks.${kind}`;
    this.add.setAttribute("aria-label", `Add a fallback for ${what}`);
    this.add.addEventListener("click", () => {
      this.append({ provider: PROVIDERS[kind][0]?.[0] ?? "openai" });
      this.rows.lastElementChild?.querySelector("select")?.focus();
      this.changed();
    });
    this.root = element(
      "div",
      { class: "agent-list", role: "group", "aria-label": `Fallbacks for ${what}` },
      element("p", { class: "field__label" }, "Fallbacks"),
      this.rows,
      this.problem,
      element("div", {}, this.add),
    );
  }

  show(value: unknown): void {
    this.rows.replaceChildren();
    for (const row of Array.isArray(value) ? (value as Json[]) : []) this.append(row);
    this.limit();
  }

  read(): unknown {
    return [...this.rows.children].map((row) => {
      const text = (field: string): string => row.querySelector<HTMLInputElement | HTMLSelectElement>(`[data-field="${field}"]`)?.value.trim() ?? "";
      const orNull = (field: string): string | null => text(field) || null;
      const read: Json = { provider: text("provider"), model: orNull("model") };
      if (this.kind === "tts") read["voice_id"] = orNull("voice_id");
      return read;
    });
  }

  refuse(problem: string, rest: string): void {
    const [number = "", field = ""] = rest.split(".");
    const where = /^\d+$/.test(number) ? `Fallback ${Number(number) + 1}${field === "" ? "" : `, ${field.replaceAll("_", " ")}`}: ` : "";
    this.problem.textContent = problem === "" ? "" : where === "" ? sentence(problem) : where + problem;
    this.problem.hidden = problem === "";
  }

  focus(): void {
    (this.rows.querySelector<HTMLElement>("select") ?? this.add).focus();
  }

  private append(row: Json): void {
    const provider = element(
      "select",
      { class: "field__input", "data-field": "provider", "aria-label": "Provider" },
      ...PROVIDERS[this.kind].map(([value, words]) => element("option", { value }, words)),
    );
    const given = String(row["provider"]);
    if (!PROVIDERS[this.kind].some(([value]) => value === given)) provider.append(element("option", { value: given }, given));
    provider.value = given;
    const item = element(
      "li",
      { class: "agent-row" },
      provider,
      this.input("model", "Model", row),
      this.kind === "tts" ? this.input("voice_id", "Voice", row) : null,
    );
    const up = element("button", { class: "button button--quiet button--small", type: "button", "aria-label": "Try this one earlier", title: "Try this one earlier" }, icon("up", 16));
    up.addEventListener("click", () => {
      item.previousElementSibling?.before(item);
      up.focus();
      this.changed();
    });
    const remove = element("button", { class: "button button--quiet button--small", type: "button", "aria-label": `Remove ${given}`, title: "Remove" }, icon("close", 16));
    remove.addEventListener("click", () => {
      item.remove();
      this.limit();
      this.add.focus();
      this.changed();
    });
    item.append(element("div", { class: "agent-row__acts" }, up, remove));
    this.rows.append(item);
    this.limit();
  }

  private input(field: string, label: string, row: Json): HTMLInputElement {
    const input = element("input", { class: "field__input", "data-field": field, "aria-label": label, placeholder: `${label}: the provider's own`, maxlength: "200" });
    input.value = typeof row[field] === "string" ? row[field] : "";
    return input;
  }

  private limit(): void {
    this.add.disabled = this.rows.childElementCount >= MOST;
  }
}
