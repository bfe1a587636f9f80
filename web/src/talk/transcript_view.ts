/** The live transcript: interim words are pale until the final ones take their place. */

import { clock, KEPT_LINES, type Line } from "../call/transcript";
import { element, setText } from "../dom/element";
import { EndFollower } from "../dom/end_follower";

export class TranscriptView {
  readonly root: HTMLElement;
  private readonly list = element("ol", { class: "transcript__lines" });
  private readonly scroller: HTMLElement;
  private readonly empty = element("p", { class: "log__empty" }, "What you both say appears here.");
  private readonly follower: EndFollower;
  private readonly spoken = element("div", { class: "visually-hidden", role: "log", "aria-live": "polite" });
  private readonly items = new Map<string, HTMLLIElement>();
  private persona = "";

  constructor() {
    this.scroller = element(
      "div",
      { class: "log__scroller", tabindex: "0", role: "region", "aria-label": "Transcript" },
      this.empty,
      this.list,
    );
    this.follower = new EndFollower(this.scroller);
    this.root = element("div", { class: "log" }, this.scroller, this.follower.latest, this.spoken);
  }

  clear(persona: string): void {
    this.persona = persona;
    this.items.clear();
    this.list.replaceChildren();
    this.spoken.replaceChildren();
    this.empty.hidden = false;
    this.follower.follow();
  }

  show(line: Line): void {
    this.empty.hidden = true;
    const item = this.items.get(line.segment) ?? this.append(line);
    item.dataset["final"] = String(line.final);
    const words = item.querySelector(".line__words");
    if (words !== null) setText(words, line.text.trim());
    // Only finished lines are read out: interim ones would be repeated with every word.
    if (line.final && line.text.trim() !== "") this.announce(line);
    this.follower.grown();
  }

  private append(line: Line): HTMLLIElement {
    const speaker = line.speaker === "you" ? "You" : this.persona;
    const previous = this.list.lastElementChild as HTMLLIElement | null;
    const goesOn = previous?.dataset["speaker"] === line.speaker;
    const item = element(
      "li",
      { class: `line line--${line.speaker}${goesOn ? " line--goes-on" : ""}`, "data-line": line.segment, "data-speaker": line.speaker },
      element(
        "p",
        { class: goesOn ? "visually-hidden" : "line__head" },
        element("span", { class: "line__speaker" }, speaker),
        element("span", { class: "line__time" }, clock(line.at)),
      ),
      element("p", { class: "line__words" }),
    );
    this.items.set(line.segment, item);
    this.list.append(item);
    if (this.items.size > KEPT_LINES) {
      const [oldest, first] = this.items.entries().next().value ?? [];
      if (oldest !== undefined) this.items.delete(oldest);
      first?.remove();
    }
    return item;
  }

  private announce(line: Line): void {
    this.spoken.append(element("p", {}, `${line.speaker === "you" ? "You" : this.persona}: ${line.text.trim()}`));
    while (this.spoken.childElementCount > 20) this.spoken.firstElementChild?.remove();
  }
}
