/** The tiles: everybody's picture or initials, what is shown large, pages of nine. */

import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";
import { initialsOf } from "../dom/initials";
import { type Area, arrange, arrangePresentation, order, PER_PAGE, type Place, stripHolds } from "./arrangement";
import type { Picture, Seen } from "./media";

/** Somebody who is there, by socket, by sound and picture, or both. */
export interface Present {
  readonly id: string;
  readonly name: string;
  readonly isSelf: boolean;
  readonly isHost: boolean;
  readonly isBot: boolean;
  readonly hand: boolean;
  readonly muted: boolean;
  readonly seen: Seen | null;
}

const REACTION_MS = 4_000;

export class Stage {
  readonly root: HTMLElement;

  private readonly tiles = new Map<string, Tile>();
  private readonly grid = element("ul", { class: "grid", "aria-label": "Participants" });
  private readonly pager = element("div", { class: "pager", role: "group", "aria-label": "Pages of participants" });
  private readonly pageWords = element("span", { class: "pager__words" });
  private readonly before = pagerButton("left", "Previous page");
  private readonly after = pagerButton("right", "Next page");
  private readonly hint = element("p", { class: "stage__hint" });
  private people: readonly Present[] = [];
  private page = 0;
  private readonly spokeAt = new Map<string, number>();

  constructor() {
    this.pager.append(this.before, this.pageWords, this.after);
    this.root = element("section", { class: "stage", "aria-label": "Stage" }, this.grid, this.hint, this.pager);
    this.before.addEventListener("click", () => this.turn(-1));
    this.after.addEventListener("click", () => this.turn(1));
    new ResizeObserver(() => this.lay()).observe(this.grid);
  }

  update(people: readonly Present[], hint: string): void {
    this.people = people;
    const now = Date.now();
    for (const each of people) if (each.seen?.speaking) this.spokeAt.set(each.id, now);
    setText(this.hint, hint);
    this.lay();
  }

  react(id: string, emoji: string): void {
    const tile = this.tiles.get(id);
    if (tile === undefined) return;
    const shown = element("span", { class: "tile__reaction", "aria-hidden": "true" }, emoji);
    tile.root.append(shown);
    setTimeout(() => shown.remove(), REACTION_MS);
  }

  clear(): void {
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    this.spokeAt.clear();
    this.page = 0;
  }

  private turn(by: number): void {
    this.page += by;
    this.lay();
    const other = by < 0 ? this.after : this.before;
    if (document.activeElement instanceof HTMLButtonElement && document.activeElement.disabled) other.focus();
  }

  private lay(): void {
    const area: Area = { width: this.grid.clientWidth, height: this.grid.clientHeight };
    if (area.width === 0 || area.height === 0) return;
    const byId = new Map(this.people.map((each) => [each.id, each]));
    const shown = this.people.find((each) => each.seen?.screen != null);
    const perPage = shown === undefined ? PER_PAGE : stripHolds(area);
    const ids = order([...byId.keys()], this.spokeAt, perPage);
    const pages = Math.max(1, Math.ceil(ids.length / perPage));
    this.page = Math.min(Math.max(0, this.page), pages - 1);
    const here = ids.slice(this.page * perPage, (this.page + 1) * perPage);
    const wanted: [string, Present, Picture | null, boolean][] = [];
    if (shown?.seen?.screen) wanted.push([`screen ${shown.id}`, shown, shown.seen.screen, true]);
    for (const id of here) {
      const person = byId.get(id);
      if (person !== undefined) wanted.push([id, person, person.seen?.camera ?? null, false]);
    }
    const places = shown === undefined ? arrange(here.length, area) : arrangePresentation(here.length, area);
    const keys = new Set(wanted.map(([key]) => key));
    for (const [key, tile] of this.tiles) {
      if (keys.has(key)) continue;
      tile.remove();
      this.tiles.delete(key);
    }
    for (const [index, [key, person, picture, isScreen]] of wanted.entries()) {
      let tile = this.tiles.get(key);
      if (tile === undefined) {
        tile = new Tile(isScreen);
        this.tiles.set(key, tile);
        this.grid.append(tile.root);
      }
      tile.update(person, picture);
      const place = places[index];
      if (place !== undefined) tile.stand(place);
    }
    this.pager.hidden = pages === 1;
    setText(this.pageWords, `${this.page + 1} of ${pages}`);
    this.before.disabled = this.page === 0;
    this.after.disabled = this.page === pages - 1;
  }
}

class Tile {
  readonly root: HTMLLIElement;
  private readonly video = element("video", { class: "tile__video", playsinline: true, autoplay: true, muted: true, "aria-hidden": "true" });
  private readonly face = element("span", { class: "tile__face", "aria-hidden": "true" });
  private readonly label = element("span", { class: "tile__name" });
  private readonly sound = element("span", { class: "tile__sound" });
  private readonly hand = element("span", { class: "tile__hand", "aria-hidden": "true" }, icon("hand", 18));
  private picture: Picture | null = null;

  constructor(private readonly isScreen: boolean) {
    this.video.muted = true;
    this.video.hidden = true;
    this.sound.append(icon("microphoneOff", 14));
    const foot = element("span", { class: "tile__foot", "aria-hidden": "true" }, this.sound, this.label);
    this.root = element("li", { class: isScreen ? "tile tile--screen" : "tile" }, this.face, this.video, this.hand, foot);
  }

  update(person: Present, picture: Picture | null): void {
    const { seen } = person;
    const name = person.isSelf ? `${person.name} (you)` : person.name;
    setText(this.label, this.isScreen ? (person.isSelf ? "Your screen" : `${person.name}'s screen`) : name);
    setText(this.face, this.isScreen ? "" : initialsOf(person.name));
    const muted = person.muted;
    const silent = this.isScreen || !muted;
    this.sound.hidden = silent;
    this.hand.hidden = this.isScreen || !person.hand;
    this.root.dataset["speaking"] = String(!this.isScreen && (seen?.speaking ?? false) && !muted);
    this.root.dataset["persona"] = String(person.isBot);
    this.root.dataset["self"] = String(person.isSelf);
    this.root.dataset["weak"] = String(seen?.weak ?? false);
    const facts = [muted ? "muted" : "", person.hand ? "hand raised" : "", picture === null ? "no camera" : "", person.isHost ? "host" : "", person.isBot ? "bot" : ""];
    const words = this.isScreen ? (this.label.textContent ?? "") : [name, ...facts.filter((each) => each !== "")].join(", ");
    if (this.root.getAttribute("aria-label") !== words) this.root.setAttribute("aria-label", words);
    this.show(picture);
  }

  /** By its transform, so that moving it is no shift of the page's layout. */
  stand(place: Place): void {
    const { style } = this.root;
    style.setProperty("transform", `translate(${place.x}px, ${place.y}px)`);
    style.setProperty("width", `${place.width}px`);
    style.setProperty("height", `${place.height}px`);
    style.setProperty("--width", `${place.width}px`);
    style.setProperty("--height", `${place.height}px`);
    this.root.dataset["small"] = String(Math.min(place.width, place.height) < 150);
  }

  remove(): void {
    this.show(null);
    this.root.remove();
  }

  private show(picture: Picture | null): void {
    if (picture?.sid === this.picture?.sid) return;
    this.picture?.hide(this.video);
    this.picture = picture;
    picture?.show(this.video);
    this.video.hidden = picture === null;
  }
}

function pagerButton(which: "left" | "right", words: string): HTMLButtonElement {
  return element("button", { class: "button pager__button", type: "button", "aria-label": words }, icon(which, 18));
}
