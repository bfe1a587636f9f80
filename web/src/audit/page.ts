/** Who changed what: the newest first, narrowed as the address says, read on downwards. */

import { whenStill } from "../console/clock";
import { emptyState, linkButton } from "../console/empty";
import { field, select } from "../console/fields";
import { sectionRoot, table, timeTag } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { count, moment } from "../console/words";
import { element } from "../dom/element";
import { query } from "../platform/client";
import { trail, type Trace, type TraceFilter } from "../platform/audit";
import "./audit.css";

const AT_ONCE = 50;
const KINDS = [
  ["", "All"],
  ["POST", "Made or done"],
  ["PATCH", "Changed"],
  ["PUT", "Set"],
  ["DELETE", "Deleted"],
] as const;

class AuditPage implements View {
  readonly title = "Audit log";
  readonly root: HTMLElement;

  private readonly search = field({ id: "search", label: "Action", type: "search", attributes: { placeholder: "/agents", maxlength: "100" } });
  private readonly kind = select({ id: "kind", label: "Kind", choices: KINDS });
  private readonly key = field({ id: "key", label: "Key", type: "search", attributes: { placeholder: "key_…", maxlength: "100" } });
  private readonly from = field({ id: "from", label: "From", type: "date" });
  private readonly to = field({ id: "to", label: "To", type: "date" });
  private readonly problem = new Problem();
  private readonly found = element("p", { class: "section__hint", role: "status" });
  private readonly rows = element("div", { class: "trail" });
  private readonly more = element("button", { class: "button button--small", type: "button", hidden: true }, "Older");
  private shown: Trace[] = [];
  private signal = AbortSignal.abort();
  private round = 0;

  constructor(private readonly place: Place) {
    const kept = place.query;
    const controls = { search: this.search, kind: this.kind, key: this.key, from: this.from, to: this.to };
    for (const [name, { input }] of Object.entries(controls)) {
      input.value = kept.get(name) ?? "";
      if (input instanceof HTMLInputElement && input.type === "search") whenStill(input, () => this.narrow());
      else input.addEventListener("change", () => this.narrow());
    }
    this.more.addEventListener("click", () => void this.bring(this.shown.at(-1)?.id ?? null));
    this.root = pageRoot(
      pageHead(
        "Audit log",
        "Who changed what in this project. Reading is not recorded, changes always are.",
        linkButton("Verify the trail", "/console/privacy?tab=trail"),
      ),
      element("div", { class: "filters" }, this.search.root, this.kind.root, this.key.root, this.from.root, this.to.root),
      this.problem.root,
      sectionRoot("trail", "Changes", this.found, this.rows, this.more),
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await this.bring(null);
  }

  private narrow(): void {
    const { search, kind, key, from, to } = this;
    const given = { search: search.input.value, kind: kind.input.value, key: key.input.value, from: from.input.value, to: to.input.value };
    this.place.rename(this.place.path + query(given));
    void this.bring(null);
  }

  private filter(): TraceFilter {
    return {
      search: this.search.input.value.trim(),
      method: this.kind.input.value,
      keyId: this.key.input.value.trim(),
      from: instantOf(this.from.input.value, "00:00:00"),
      to: instantOf(this.to.input.value, "23:59:59.999"),
    };
  }

  private async bring(before: number | null): Promise<void> {
    const round = ++this.round;
    this.more.disabled = true;
    try {
      const { rows, total } = await trail(this.filter(), before, AT_ONCE, this.signal);
      if (round !== this.round) return;
      this.problem.clear();
      this.shown = before === null ? rows : [...this.shown, ...rows];
      this.more.hidden = rows.length < AT_ONCE;
      this.found.textContent = total === 0 ? "" : `${count(this.shown.length)} of ${count(total)}`;
      this.rows.replaceChildren(total === 0 ? this.nothing() : tableOf(this.shown));
    } catch (error) {
      if (!this.signal.aborted && round === this.round) this.problem.tell(wordsFor(error));
    } finally {
      this.more.disabled = false;
    }
  }

  private nothing(): HTMLElement {
    const isNarrowed = Object.values(this.filter()).some((value) => value !== "");
    if (isNarrowed) return emptyState("search", "No such change", "Nothing fits what you chose above.");
    return emptyState("lock", "No changes yet", "Each change of an agent, a key, a number, a webhook … is noted here with the key that made it.");
  }
}

function tableOf(shown: readonly Trace[]): HTMLElement {
  const rows = shown.map((trace) => [timeTag(trace.at), who(trace), what(trace), details(trace)]);
  return table("Changes", ["When", "Who", "What", "Details"], rows, "");
}

function who({ keyId, keyLabel }: Trace): string {
  if (keyLabel !== null && keyLabel !== "") return keyLabel;
  if (keyId.startsWith("ses_")) return "Browser";
  return keyId === "operator" ? "Operator" : keyId;
}

function what({ action, target }: Trace): HTMLElement {
  const [method = "", ...path] = action.split(" ");
  const named = path.join(" ").replace(/\{(\w+)(?::\w+)?\}/g, (whole, name: string) => (name in target ? String(target[name]) : whole));
  return element(
    "span",
    { class: "trail__what" },
    element("span", { class: "tag", "data-state": method === "DELETE" ? "failed" : "" }, method),
    element("code", {}, named),
  );
}

function details({ id, at, keyId, action, target, status }: Trace): HTMLElement {
  const facts: [string, string][] = [
    ["Time", moment(at)],
    ["Key", keyId],
    ["Operation", action],
    ["Answer", String(status)],
    ...Object.entries(target).map(([name, value]): [string, string] => [name, typeof value === "string" ? value : JSON.stringify(value)]),
    ["Entry", String(id)],
  ];
  return element(
    "details",
    { class: "trail__details" },
    element("summary", {}, String(status)),
    element("dl", { class: "trail__facts" }, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
  );
}

/** The moment of a time on a day of the reader; empty for none. */
function instantOf(day: string, time: string): string {
  const found = new Date(`${day}T${time}`);
  return day === "" || Number.isNaN(found.getTime()) ? "" : found.toISOString();
}

export const open: Open = (place) => new AuditPage(place);
