/** What may be called: countries, hours, limits, and who wants no calls. */

import { area, field } from "../console/fields";
import { Problem, wordsFor } from "../console/problem";
import { element, setText } from "../dom/element";
import { type DialPolicy, dialPolicy, type LimitName, plainNumber, setDialPolicy } from "../platform/phone";

const LIMITS: readonly (readonly [LimitName, string, string])[] = [
  ["concurrent", "Calls at once", "1"],
  ["calls_per_day", "Calls a day", "1"],
  ["minutes_per_day", "Minutes a day", "1"],
  ["usd_per_day", "US dollars a day", "0.01"],
  ["destination_calls_per_day", "Calls a day to one number", "1"],
  ["destination_minutes_per_day", "Minutes a day to one number", "1"],
  ["destination_usd_per_day", "US dollars a day to one number", "0.01"],
  ["key_calls_per_day", "Calls a day by one key", "1"],
  ["key_minutes_per_day", "Minutes a day by one key", "1"],
  ["key_usd_per_day", "US dollars a day by one key", "0.01"],
];

export class RulesView {
  readonly id = "rules";
  readonly title = "What may be called";
  readonly root: HTMLElement;

  private readonly countries = field({
    id: "countries",
    label: "Countries",
    hint: "By their codes, with spaces: US CA GB. All others are refused.",
    attributes: { autocomplete: "off", spellcheck: "false" },
  });
  private readonly from = field({ id: "quiet-from", label: "Nobody is called from", type: "time", hint: "In the callee's own time; both empty: at any hour." });
  private readonly until = field({ id: "quiet-until", label: "until", type: "time" });
  private readonly limits = LIMITS.map(([name, label, step]) => ({
    name,
    ...field({ id: `limit-${name}`, label, type: "number", attributes: { min: "0", step } }),
  }));
  private readonly blocked = area({ id: "blocked", label: "Numbers that are never called", hint: "One a line, each with its country.", rows: 5 });
  private readonly consent = element("input", { type: "checkbox", id: "consent-required" });
  private readonly optOut = field({
    id: "opt-out-key",
    label: "Key that says: do not call me again",
    hint: "0 to 9, * or #, pressed alone by whoever was called; empty: none.",
    attributes: { autocomplete: "off", maxlength: "1", pattern: "[0-9*#]" },
  });
  private readonly problem = new Problem();
  private readonly saved = element("p", { class: "section__hint", role: "status" });
  private readonly submit = element("button", { class: "button button--action", type: "submit" }, "Save");

  constructor(private readonly projectId: number) {
    const form = element(
      "form",
      { class: "stack-form" },
      this.countries.root,
      element("div", { class: "row-form" }, this.from.root, this.until.root),
      element("fieldset", { class: "choices" }, element("legend", { class: "field__label" }, "Limits; empty: none"), ...this.limits.map(({ root }) => root)),
      this.blocked.root,
      element("label", { class: "choice" }, this.consent, "Call only numbers with a recorded consent"),
      this.optOut.root,
      this.problem.root,
      this.submit,
      this.saved,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save();
    });
    this.root = element("section", { class: "panel section" }, form);
    this.open(false);
  }

  async start(signal: AbortSignal): Promise<void> {
    try {
      this.draw(await dialPolicy(this.projectId, signal));
      this.open(true);
    } catch (error) {
      if (!signal.aborted) this.problem.tell(wordsFor(error));
    }
  }

  /** Nothing is written before what holds is known: it would be written over. */
  private open(isKnown: boolean): void {
    const inputs = [this.countries, this.from, this.until, this.blocked, this.optOut, ...this.limits].map(({ input }) => input);
    for (const each of [...inputs, this.consent, this.submit]) each.disabled = !isKnown;
  }

  private draw(policy: DialPolicy): void {
    this.countries.input.value = (policy.countries ?? []).join(" ");
    this.from.input.value = policy.quiet_hours?.start ?? "";
    this.until.input.value = policy.quiet_hours?.end ?? "";
    for (const { name, input } of this.limits) input.value = String(policy.limits[name] ?? "");
    this.blocked.input.value = policy.do_not_call.join("\n");
    this.consent.checked = policy.consent_required;
    this.optOut.input.value = policy.opt_out_key ?? "";
  }

  private async save(): Promise<void> {
    this.problem.clear();
    setText(this.saved, "");
    const [start, end] = [this.from.input.value, this.until.input.value];
    if ((start === "") !== (end === "")) {
      this.problem.tell("Quiet hours need both a beginning and an end, or neither.");
      return;
    }
    this.submit.disabled = true;
    const limits = Object.fromEntries(this.limits.map(({ name, input }) => [name, input.value === "" ? null : Number(input.value)]));
    try {
      await setDialPolicy(this.projectId, {
        countries: this.countries.input.value.toUpperCase().split(/[\s,]+/).filter((code) => code !== ""),
        quiet_hours: start === "" ? null : { start, end },
        limits: limits as DialPolicy["limits"],
        do_not_call: this.blocked.input.value.split(/[\n,]+/).map(plainNumber).filter((line) => line !== ""),
        consent_required: this.consent.checked,
        opt_out_key: this.optOut.input.value || null,
      });
      setText(this.saved, "Saved. It holds from the next call on.");
    } catch (error) {
      this.problem.tell(wordsFor(error));
    } finally {
      this.submit.disabled = false;
    }
  }
}
