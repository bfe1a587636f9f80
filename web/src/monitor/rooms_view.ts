/** The rooms that are open, as a list box: one is chosen, or all of them. */

import { clock } from "../call/transcript";
import { element, setText } from "../dom/element";
import type { Room } from "./board";

interface Item {
  readonly root: HTMLLIElement;
  readonly name: HTMLElement;
  readonly facts: HTMLElement;
}

/** The value that stands for all rooms; no room has an empty name. */
const ALL = "";

export class RoomsView {
  readonly root: HTMLElement;

  private readonly list: HTMLUListElement;
  private readonly items = new Map<string, Item>();
  private rooms: readonly Room[] = [];
  private chosen = ALL;

  constructor(private readonly choose: (fullName: string | null) => void) {
    this.list = element("ul", { class: "rooms__list", role: "listbox", tabindex: "0", "aria-label": "Rooms open now" });
    this.list.addEventListener("click", (event) => {
      const option = (event.target as Element).closest<HTMLElement>("[role=option]");
      if (option !== null) this.pick(option.dataset["room"] ?? ALL);
    });
    this.list.addEventListener("keydown", (event) => this.onKey(event));
    this.root = element(
      "section",
      { class: "rooms panel", "aria-label": "Rooms" },
      element("header", { class: "rooms__head" }, element("h2", {}, "Open now")),
      this.list,
    );
  }

  /** `chosen` may be a room that was closed since: it stays until another one is chosen. */
  update(rooms: readonly Room[], chosen: Room | null): void {
    this.rooms = chosen === null || rooms.some((room) => room.fullName === chosen.fullName) ? rooms : [...rooms, chosen];
    this.chosen = chosen?.fullName ?? ALL;
    const calls = rooms.filter((room) => room.session !== null).length;
    const summary = `${count(rooms.length, "room")} · ${count(calls, "call")}`;
    const wanted = new Map<string, [name: string, facts: string, state: string]>([[ALL, ["All rooms", summary, "all"]]]);
    for (const room of this.rooms) wanted.set(room.fullName, [room.name, factsOf(room), stateOf(room)]);
    for (const [fullName, item] of this.items) {
      if (wanted.has(fullName)) continue;
      item.root.remove();
      this.items.delete(fullName);
    }
    let place = 0;
    for (const [fullName, [name, facts, state]] of wanted) {
      const item = this.items.get(fullName) ?? this.add(fullName);
      if (this.list.children[place] !== item.root) this.list.insertBefore(item.root, this.list.children[place] ?? null);
      place += 1;
      setText(item.name, name);
      setText(item.facts, facts);
      item.root.dataset["state"] = state;
      const selected = fullName === this.chosen;
      item.root.setAttribute("aria-selected", String(selected));
      if (selected) this.list.setAttribute("aria-activedescendant", item.root.id);
    }
  }

  /** Durations of the calls, once a second. */
  tick(): void {
    for (const room of this.rooms) {
      const item = this.items.get(room.fullName);
      if (item !== undefined && room.session !== null) setText(item.facts, factsOf(room));
    }
  }

  private add(fullName: string): Item {
    const name = element("span", { class: "room__name" });
    const facts = element("span", { class: "room__facts" });
    const root = element(
      "li",
      { class: "room", role: "option", id: `room-${crypto.getRandomValues(new Uint32Array(1))[0]}`, "data-room": fullName },
      element("span", { class: "room__lamp", "aria-hidden": "true" }),
      name,
      facts,
    );
    const item = { root, name, facts };
    this.items.set(fullName, item);
    return item;
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const names = [ALL, ...this.rooms.map((room) => room.fullName)];
    const place = names.indexOf(this.chosen);
    const next = {
      ArrowDown: place + 1,
      ArrowRight: place + 1,
      ArrowUp: place - 1,
      ArrowLeft: place - 1,
      Home: 0,
      End: names.length - 1,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.pick(names[Math.min(names.length - 1, Math.max(0, next))] ?? ALL);
  }

  private pick(fullName: string): void {
    this.choose(fullName === ALL ? null : fullName);
    this.items.get(fullName)?.root.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

export function factsOf(room: Room): string {
  if (!room.open) return "Closed";
  const people = room.people === 0 ? "Nobody there" : count(room.people, "participant");
  if (room.session === null) return people;
  const call = `${room.session.agentName ?? "Call"} ${clock((Date.now() - room.session.startedAt) / 1_000)}`;
  return room.people === 0 ? call : `${people} · ${call}`;
}

function stateOf(room: Room): string {
  return room.open ? (room.session === null ? "open" : "call") : "closed";
}

function count(number: number, unit: string): string {
  return `${number} ${unit}${number === 1 ? "" : "s"}`;
}
