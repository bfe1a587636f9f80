/** What is said and what happens, in one stream: interim words are pale until the final ones take their place. */

import { element, setText } from "../dom/element";
import { EndFollower } from "../dom/end_follower";
import { icon } from "../dom/icons";
import type { Entry, EventEntry, LineEntry } from "./board";

/** Entries drawn at once; what is older is in the API. */
const DRAWN = 500;
const READ_OUT = 20;
const moments = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export class FeedView {
  readonly root: HTMLElement;

  private readonly list = element("ol", { class: "feed__entries" });
  private readonly empty = element("div", { class: "log__empty" });
  private readonly follower: EndFollower;
  /** Only finished lines of one chosen room are read out: all rooms at once would be a babble. */
  private readonly spoken = element("div", { class: "visually-hidden", role: "log", "aria-live": "polite" });
  private readonly items = new Map<string, HTMLLIElement>();
  private room: string | null = null;

  constructor() {
    const scroller = element(
      "div",
      { class: "log__scroller", tabindex: "0", role: "region", "aria-label": "What is said and what happens" },
      this.empty,
      this.list,
    );
    this.follower = new EndFollower(scroller);
    this.root = element("div", { class: "log" }, scroller, this.follower.latest, this.spoken);
  }

  /** Shows the entries of a room, or of all of them. */
  show(entries: readonly Entry[], room: string | null): void {
    this.room = room;
    this.items.clear();
    this.spoken.replaceChildren();
    const shown = entries.filter((entry) => this.belongs(entry)).slice(-DRAWN);
    this.list.replaceChildren(...shown.map((entry) => this.draw(entry)));
    this.follower.follow();
  }

  /** What stands here while there is nothing to show. */
  explain(words: Node | null): void {
    this.empty.replaceChildren(...(words === null ? [] : [words]));
    this.empty.hidden = words === null || this.items.size > 0;
  }

  get isEmpty(): boolean {
    return this.items.size === 0;
  }

  added(entry: Entry, before: string | null): void {
    if (!this.belongs(entry)) return;
    const next = before === null ? null : this.items.get(before);
    // A line from before, next to one that belongs to another room: its place is found by time.
    const place = next === undefined ? this.placeOf(entry.at) : next;
    this.list.insertBefore(this.draw(entry), place);
    if (this.items.size > DRAWN) this.removed(this.items.keys().next().value ?? "");
    if (entry.kind === "line" && before === null) this.readOut(entry);
    this.follower.grown();
  }

  replaced(key: string, entry: LineEntry): void {
    const item = this.items.get(key);
    if (item === undefined) return;
    this.items.delete(key);
    this.items.set(entry.key, item);
    this.say(item, entry);
    this.readOut(entry);
    this.follower.grown();
  }

  removed(key: string): void {
    this.items.get(key)?.remove();
    this.items.delete(key);
  }

  private belongs(entry: Entry): boolean {
    return this.room === null || entry.room?.fullName === this.room;
  }

  private placeOf(at: number): Element | null {
    return [...this.list.children].find((item) => Number((item as HTMLElement).dataset["at"]) > at) ?? null;
  }

  private draw(entry: Entry): HTMLLIElement {
    const item = entry.kind === "line" ? this.drawLine(entry) : this.drawEvent(entry);
    item.dataset["at"] = String(entry.at);
    this.items.set(entry.key, item);
    return item;
  }

  private drawLine(line: LineEntry): HTMLLIElement {
    const item = element(
      "li",
      { class: `line line--${line.speaker}`, "data-line": true, "data-speaker": line.speaker },
      element(
        "p",
        { class: "line__head" },
        element("span", { class: "line__speaker" }, line.speakerName),
        this.room === null ? element("span", { class: "line__room" }, line.room.name) : null,
        time(line.at),
      ),
      element("p", { class: "line__words" }),
    );
    this.say(item, line);
    return item;
  }

  private say(item: HTMLLIElement, line: LineEntry): void {
    item.dataset["final"] = String(line.final);
    const words = item.querySelector(".line__words");
    if (words !== null) setText(words, line.text.trim());
  }

  private drawEvent(event: EventEntry): HTMLLIElement {
    return element(
      "li",
      { class: event.bad ? "happening happening--bad" : "happening", "data-event": event.type },
      icon(event.icon, 14),
      element("span", { class: "happening__text" }, event.text),
      this.room === null && event.room !== null ? element("span", { class: "line__room" }, event.room.name) : null,
      time(event.at),
    );
  }

  private readOut(line: LineEntry): void {
    if (this.room === null || !line.final) return;
    this.spoken.append(element("p", {}, `${line.speakerName}: ${line.text.trim()}`));
    while (this.spoken.childElementCount > READ_OUT) this.spoken.firstElementChild?.remove();
  }
}

function time(at: number): HTMLTimeElement {
  return element("time", { class: "line__time", datetime: new Date(at).toISOString() }, moments.format(at));
}
