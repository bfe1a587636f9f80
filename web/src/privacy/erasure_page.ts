/** One erasure: how far it is, and its receipt, which is taken along as it was signed. */

import "./privacy.css";
import { every } from "../console/clock";
import { copyable } from "../console/copying";
import { mend, notice, Problem, wordsFor } from "../console/problem";
import { facts, sectionRoot } from "../console/section";
import { type Open, pageHeadOf, pageRoot, type Place, type View } from "../console/view";
import { count, counted, moment, sentence } from "../console/words";
import { element } from "../dom/element";
import { icon } from "../dom/icons";
import { type Erasure, erasure, type Receipt } from "../platform/privacy";
import { erasureState } from "./requests_view";

const FOLLOW_MS = 3_000;

class ErasurePage implements View {
  readonly title: string;
  readonly root: HTMLElement;

  private readonly id: number;
  private readonly download = element("button", { class: "button button--small", type: "button", hidden: true }, icon("down", 16), "Download receipt");
  private readonly problem = new Problem();
  private readonly body = element("div", { class: "stack", "aria-live": "polite" });
  private receipt: Receipt | null = null;
  private drawn = "";

  constructor(place: Place) {
    this.id = Number(place.params["id"]);
    this.title = `Erasure ${this.id}`;
    this.download.addEventListener("click", () => {
      if (this.receipt !== null) save(this.id, this.receipt);
    });
    const title = element("h1", { tabindex: "-1" }, this.title);
    this.root = pageRoot(pageHeadOf(["Privacy", "/console/privacy?tab=person"], title, [], this.download), this.problem.root, this.body);
  }

  async start(signal: AbortSignal): Promise<void> {
    this.show(await erasure(this.id, signal));
    every(FOLLOW_MS, signal, () => this.follow(signal));
  }

  /** False once there is nothing to wait for. */
  private async follow(signal: AbortSignal): Promise<boolean> {
    if (this.receipt !== null) return false;
    try {
      const now = await erasure(this.id, signal);
      this.problem.clear();
      this.show(now);
      return now.status === "pending";
    } catch (error) {
      if (!signal.aborted) this.problem.tell(wordsFor(error));
      return true;
    }
  }

  private show(found: Erasure): void {
    const now = JSON.stringify(found);
    if (now === this.drawn) return;
    this.drawn = now;
    this.receipt = found.receipt;
    this.download.hidden = found.receipt === null;
    this.body.replaceChildren(
      ...(found.receipt === null ? [] : [verdictOf(found)]),
      ...(found.status === "failed" ? [notice("danger", "It could not be finished.", mend("Ask for it once more: what is gone stays gone, and nothing is done twice."))] : []),
      sectionRoot(
        "erasure",
        "This erasure",
        element(
          "dl",
          { class: "facts facts--flat" },
          ...facts([
            ["Asked", moment(found.createdAt)],
            ["Done", found.finishedAt === null ? "Not yet" : moment(found.finishedAt)],
            ...(found.status === "failed" ? [] : [["State", erasureState(found)] as const]),
          ]),
        ),
        element("h3", {}, "Proof of whom it was about"),
        copyable(found.person, "proof of the person"),
      ),
      ...(found.receipt === null ? [] : partsOf(found.receipt)),
    );
  }
}

function verdictOf({ receiptHolds }: Erasure): HTMLElement {
  if (receiptHolds === true) return notice("good", "The receipt is as it was signed.");
  return notice("danger", "The receipt is not as it was signed.", mend("Its row was changed in the database, or signed by another installation or with another PARLEY_SECRET_KEY. A copy that was downloaded before tells what it said."));
}

function partsOf(receipt: Receipt): HTMLElement[] {
  const { recordings, told, missed, backups } = receipt;
  return [
    sectionRoot(
      "gone",
      "What went",
      element(
        "dl",
        { class: "facts facts--flat" },
        ...facts([
          ["Recordings", recordings.toCome === 0 ? counted(recordings.removed, "file") : `${counted(recordings.removed, "file")}; ${count(recordings.toCome)} as soon as a recorder gives it up`],
          ["Vectors of knowledge", count(receipt.vectors)],
          ["Events that say nothing any more", count(receipt.events)],
          ["Workers that were told to forget", told.length === 0 ? "None had anything" : told.join(", ")],
          ...(missed.length === 0 ? [] : [["Workers that are told when they come back", missed.join(", ")] as const]),
          ["In backups", backups.until === null ? "Until whoever runs this server deletes them" : `Until ${moment(backups.until)}`],
        ]),
      ),
      element("h3", {}, "Rows that were deleted, or that the person was taken out of"),
      numbers(receipt.rows, "None: nothing was known of this person."),
    ),
    sectionRoot(
      "stays",
      "What still names them",
      element("p", { class: "section__hint" }, "The project’s own settings and policies, such as do-not-call lists, and the audit trail, which nobody may change."),
      numbers(receipt.kept, "Nothing does."),
    ),
    sectionRoot(
      "signature",
      "Signature",
      element("p", { class: "section__hint" }, "Nobody but this server can make it: with one word of the receipt changed it does not hold any more."),
      copyable(receipt.mac, "signature of the receipt"),
    ),
  ];
}

function numbers(counts: Readonly<Record<string, number>>, none: string): HTMLElement {
  const rows = Object.entries(counts).sort(([a, many], [b, others]) => others - many || a.localeCompare(b));
  if (rows.length === 0) return element("p", { class: "section__empty" }, none);
  return element("dl", { class: "pairs pairs--columns" }, ...facts(rows.map(([name, many]) => [sentence(name), count(many)])));
}

function save(id: number, { whole }: Receipt): void {
  const url = URL.createObjectURL(new Blob([`${JSON.stringify(whole, null, 2)}\n`], { type: "application/json" }));
  element("a", { href: url, download: `erasure-${id}-receipt.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export const open: Open = (place) => new ErasurePage(place);
