/** What the project keeps of conversations, for how long, and what is taken out of it. */

import { openDialog } from "../console/dialog";
import { area, type Field, field, toggle } from "../console/fields";
import { mend, Problem, wordsFor } from "../console/problem";
import { facts, sectionRoot } from "../console/section";
import { counted, date, sentence } from "../console/words";
import { element, setText } from "../dom/element";
import { ApiError } from "../platform/api";
import { conversationsBefore } from "../platform/privacy";
import { changeProject, type Project, projects } from "../platform/projects";
import { changesOf, isShorter, type Keeping, keepingOf, namesIn, spansOf } from "./kept";

const DAY_MS = 86_400_000;
const MOST_NAMES = 1_000;
/** What is found by itself, and what stands in its place. */
const TAKEN = [
  ["Telephone numbers, written or said", "[phone]"],
  ["Cards", "[card]"],
  ["IBANs", "[iban]"],
  ["E-mail addresses", "[email]"],
  ["Other numbers of seven digits and more", "[number]"],
  ["Names of the list below", "[name]"],
] as const;

export class KeptView {
  readonly root: HTMLElement;

  private readonly days = field({
    id: "retention",
    label: "Keep conversations for days",
    type: "number",
    hint: "Counted from their end. After that they go, with all that belongs to them. Empty: for ever.",
    attributes: { min: "1", max: "3650", inputmode: "numeric" },
  });
  private readonly store = toggle({ id: "store-transcripts", label: "Keep transcripts", hint: "Off: what is said is shown live and kept nowhere. What was kept before stays until its days are over." });
  private readonly redact = toggle({
    id: "redact",
    label: "Take personal data out",
    hint: "Out of what is kept, shown and told from now on. In recordings a tone stands over it.",
  });
  private readonly names = area({
    id: "redact-names",
    label: "Names that are personal data as well",
    rows: 4,
    hint: "One a line, at most 1,000, in any case and with any accents.",
    attributes: { spellcheck: "false", autocapitalize: "none" },
  });
  private readonly problem = new Problem();
  private readonly submit = element("button", { class: "button button--action", type: "submit" }, "Save");
  private readonly said = element("p", { class: "section__hint", role: "status" });
  private readonly spans = element("dl", { class: "pairs pairs--words" });
  private readonly taken = element("dl", { class: "pairs pairs--columns" }, ...facts(TAKEN.map(([what, instead]) => [what, element("code", {}, instead)])));
  private project: Project | null = null;

  constructor(private readonly projectId: number) {
    const form = element(
      "form",
      { class: "stack", novalidate: true },
      sectionRoot("keep", "Conversations", element("div", { class: "stack-form" }, this.days.root, this.store.root)),
      sectionRoot("take-out", "Personal data in them", element("div", { class: "stack-form" }, this.redact.root), this.taken, element("div", { class: "stack-form" }, this.names.root)),
      this.problem.root,
      element("div", { class: "acts" }, this.submit, this.said),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save();
    });
    this.root = element("div", { class: "stack" }, form, sectionRoot("spans", "For how long, as it is now", this.spans));
  }

  async start(signal: AbortSignal): Promise<void> {
    this.show((await projects(signal)).find(({ id }) => id === this.projectId) ?? null);
  }

  private show(project: Project | null): void {
    this.project = project;
    if (project === null) return;
    this.days.input.value = project.retentionDays === null ? "" : String(project.retentionDays);
    this.store.input.checked = project.storeTranscripts;
    this.redact.input.checked = project.redact;
    this.names.input.value = project.redactNames.join("\n");
    this.spans.replaceChildren(...facts(spansOf(keepingOf(project))));
  }

  /** Null where a field holds something that it does not mean; that is said beside it. */
  private read(): Keeping | null {
    const { days, store, redact, names } = this;
    const [given, all] = [days.input, namesIn(names.input.value)];
    const isWhole = given.validity.valid && (given.value === "" || Number.isInteger(Number(given.value)));
    days.refuse(isWhole ? "" : "A whole number of days from 1 to 3,650, or nothing at all.");
    const short = all.find((name) => name.length < 2);
    names.refuse(
      short !== undefined ? `“${short}” would be taken out of every word: a name has two letters or more.` : all.length > MOST_NAMES ? `These are ${counted(all.length, "name")}: leave 1,000.` : "",
    );
    const wrong = [days, names].find(({ input }) => input.getAttribute("aria-invalid") === "true");
    wrong?.input.focus();
    if (wrong !== undefined) return null;
    return { retention_days: given.value === "" ? null : Number(given.value), store_transcripts: store.input.checked, redact: redact.input.checked, redact_names: all };
  }

  private async save(): Promise<void> {
    const { project } = this;
    this.problem.clear();
    setText(this.said, "");
    const wish = this.read();
    if (project === null || wish === null) return;
    const change = changesOf(keepingOf(project), wish);
    if (Object.keys(change).length === 0) return setText(this.said, "Nothing was changed.");
    const { retention_days: days = null } = change;
    if (days !== null && isShorter(project.retentionDays, days)) {
      if (await this.isSure(project, days, change)) setText(this.said, "Saved.");
      return;
    }
    this.submit.disabled = true;
    try {
      this.show(await changeProject(project.id, change));
      setText(this.said, "Saved.");
    } catch (error) {
      this.refuse(error);
    } finally {
      this.submit.disabled = false;
    }
  }

  /** What is older goes for good: it is said how much that is. */
  private async isSure(project: Project, days: number, change: Partial<Keeping>): Promise<boolean> {
    const moment = new Date(Date.now() - days * DAY_MS).toISOString();
    const many = await conversationsBefore(moment).catch(() => null); // a key may change this and see no conversation
    const older = many === null ? "Conversations" : many === 0 ? "No conversation" : counted(many, "conversation");
    return openDialog({
      title: `Keep conversations for ${counted(days, "day")}?`,
      body: [
        element("p", {}, `${older} began before ${date(moment)}. What ended before that is deleted within ten minutes, with its recordings, events and calls. It cannot be undone.`),
      ],
      act: "Delete what is older",
      isDangerous: true,
      submit: async () => this.show(await changeProject(project.id, change)),
    });
  }

  private refuse(error: unknown): void {
    const fields: Record<string, Field<HTMLElement>> = { retention_days: this.days, redact_names: this.names };
    const refused = error instanceof ApiError ? error.fields.filter(({ field: name }) => (name.split(".")[0] ?? "") in fields) : [];
    for (const { field: name, problem } of refused) fields[name.split(".")[0] ?? ""]?.refuse(`${sentence(problem)}.`);
    if (refused.length > 0) fields[refused[0]?.field.split(".")[0] ?? ""]?.input.focus();
    else this.problem.tell(wordsFor(error), error instanceof ApiError && error.status === 403 ? mend("Changing this needs the scope projects:write.") : null);
  }
}
