/** Whether the audit trail is as it was written. */

import { copyable } from "../console/copying";
import { linkButton } from "../console/empty";
import { mend, notice, Problem, wordsFor } from "../console/problem";
import { facts, sectionRoot, table } from "../console/section";
import { count, counted, moment } from "../console/words";
import { element, setText } from "../dom/element";
import { type Damage, type Verdict, verifyTrail } from "../platform/audit";

const MOST = 100;
const MEANINGS: Readonly<Record<Damage, readonly [title: string, words: string]>> = {
  changed: ["Changed", "What it says is not what was linked."],
  missing: ["Missing", "It was linked, and is not there any more."],
  unlinked: ["Added", "It stands between linked entries and was never linked: it was put in afterwards."],
  moved: ["Moved", "It is not in the place in which it was linked, or one before it was taken out with its link."],
  cut: ["Cut off", "The chain does not reach as far as its head says, or the head is not ours."],
};

export class TrailView {
  readonly root: HTMLElement;

  private readonly verify = element("button", { class: "button button--action", type: "button" }, "Verify the trail");
  private readonly said = element("p", { class: "section__hint", role: "status" });
  private readonly problem = new Problem();
  private readonly answer = element("div", { class: "stack", "aria-live": "polite" });
  private signal = AbortSignal.abort();

  constructor() {
    this.verify.addEventListener("click", () => void this.look());
    this.root = sectionRoot(
      "trail",
      "Is the audit trail as it was written?",
      element(
        "p",
        { class: "section__hint" },
        "Every change leaves an entry, and each entry is linked to the one before by a proof that the database does not hold. Verifying goes through them all: whoever changed, removed or added one is found out, also the owner of the database.",
      ),
      element("div", { class: "acts" }, this.verify, linkButton("See the entries", "/console/audit"), this.said),
      this.problem.root,
      this.answer,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
  }

  private async look(): Promise<void> {
    this.verify.disabled = true;
    this.problem.clear();
    this.answer.replaceChildren();
    setText(this.said, "Looking …");
    try {
      this.show(await verifyTrail((looked) => setText(this.said, `${counted(looked, "entry", "entries")} looked at …`), this.signal));
      setText(this.said, `Verified ${moment(new Date().toISOString())}.`);
    } catch (error) {
      if (this.signal.aborted) return;
      setText(this.said, "");
      this.problem.tell(wordsFor(error), mend("Nothing is said about the trail by that: verify it again."));
    } finally {
      this.verify.disabled = false;
    }
  }

  private show({ intact, entries, problems, head }: Verdict): void {
    const looked = counted(entries, "entry is", "entries are");
    const verdict = intact
      ? notice("good", entries === 0 ? "There is nothing to verify yet." : `${looked} as written: none changed, missing, added or moved.`, mend("What was written in the last seconds is not linked yet, and was not looked at."))
      : notice(
          "danger",
          `The trail is not as it was written: ${counted(problems.length, "problem")}.`,
          mend("Somebody has touched the database itself. Keep this answer, find out who has rights there, and compare with a backup and with the heads in the log (“audit chain”)."),
        );
    const rows = problems.slice(0, MOST).map(({ entryId, kind }) => [entryId === null ? "–" : `#${entryId}`, MEANINGS[kind][0], MEANINGS[kind][1]]);
    const chain = head === null ? [] : this.chain(head);
    this.answer.replaceChildren(
      verdict,
      ...(rows.length === 0 ? [] : [table("Problems of the trail", ["Entry", "What", "It means"], rows)]),
      ...(problems.length <= MOST ? [] : [element("p", { class: "section__hint" }, `The first ${MOST} of ${count(problems.length)}.`)]),
      ...chain,
    );
  }

  private chain(head: NonNullable<Verdict["head"]>): HTMLElement[] {
    return [
      element("h3", {}, "The head of the chain"),
      element("p", { class: "section__hint" }, "Keep it somewhere else: it shows what the database alone cannot, that everything was put back to an older state."),
      element("dl", { class: "facts facts--flat" }, ...facts([["Linked entries", count(head.seq)], ["Last entry", `#${head.entryId}`], ["Linked", moment(head.at)]])),
      copyable(`${head.seq} ${head.entryId} ${head.mac}`, "head of the chain"),
    ];
  }
}
