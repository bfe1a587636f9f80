/** The rooms that run, in a list of any length: what each is doing, for how long, its last words, what is wrong. */

import { clock } from "../call/transcript";
import { rowsInSight } from "../console/sight";
import { counted } from "../console/words";
import { element, setText } from "../dom/element";
import type { Room } from "../monitor/board";
import type { Calls } from "./calls";

const ROW = 76;
const AROUND = 6;
const DOES: Record<string, string> = { listening: "Listening", thinking: "Thinking", speaking: "Speaking", silent: "Silent" };
const SUPERVISED: Record<string, string> = { whisper: "whispers", barge: "speaks", takeover: "has the call" };

interface Row {
  readonly root: HTMLAnchorElement;
  readonly lamp: HTMLElement;
  readonly name: HTMLElement;
  readonly timer: HTMLElement;
  readonly line: HTMLElement;
  readonly state: HTMLElement;
}

export class CallsView {
  readonly root: HTMLElement;

  private readonly space = element("ul", { class: "calls__space" });
  private readonly scroller = element("div", { class: "calls__list", role: "group", tabindex: "0", "aria-label": "Rooms and calls that run" }, this.space);
  private readonly summary = element("p", { class: "calls__summary" });
  private readonly rows = new Map<string, Row>();
  private rooms: readonly Room[] = [];
  private chosen: string | null = null;

  constructor(private readonly calls: Calls) {
    this.scroller.addEventListener("scroll", () => requestAnimationFrame(() => this.draw()), { passive: true });
    this.root = element("section", { class: "calls panel", "aria-label": "Calls" }, element("header", { class: "calls__head" }, element("h2", {}, "Running"), this.summary), this.scroller);
  }

  observe(signal: AbortSignal): void {
    const sight = new ResizeObserver(() => this.draw());
    sight.observe(this.scroller);
    signal.addEventListener("abort", () => sight.disconnect());
  }

  update(rooms: readonly Room[], chosen: string | null): void {
    this.rooms = rooms;
    this.chosen = chosen;
    this.draw();
  }

  /** What stands in the rows in sight; nothing else is in the document. */
  draw(): void {
    const running = this.rooms.filter((room) => room.session !== null).length;
    setText(this.summary, `${counted(this.rooms.length, "room")}, ${counted(running, "call")}`);
    this.space.style.height = `${this.rooms.length * ROW}px`;
    const { scrollTop, clientHeight } = this.scroller;
    const [first, last] = rowsInSight({ top: scrollTop, height: clientHeight, rowHeight: ROW, total: this.rooms.length, around: AROUND });
    const wanted = new Set<string>();
    for (let place = first; place < last; place += 1) {
      const room = this.rooms[place];
      if (room === undefined) continue;
      wanted.add(room.fullName);
      const row = this.rows.get(room.fullName) ?? this.add(room);
      row.root.style.transform = `translateY(${place * ROW}px)`;
      this.fill(row, room);
    }
    for (const [fullName, row] of this.rows) {
      if (wanted.has(fullName)) continue;
      row.root.parentElement?.remove();
      this.rows.delete(fullName);
    }
  }

  private fill(row: Row, room: Room): void {
    const state = this.calls.of(room.fullName);
    const holder = this.calls.supervisedAs(room.fullName);
    const does = room.session === null ? null : state.persona;
    row.lamp.dataset["state"] = holder?.mode === "takeover" ? "silent" : (does ?? (room.session === null ? "room" : "call"));
    setText(row.name, room.name);
    setText(row.timer, room.session === null ? "" : clock((Date.now() - room.session.startedAt) / 1_000));
    const words = state.warning !== "" ? state.warning : state.lastLine !== "" ? state.lastLine : room.session === null ? people(room) : "Nothing was said yet";
    setText(row.line, words);
    row.line.dataset["bad"] = String(state.warning !== "");
    const doing = holder === null ? (does === null ? "" : (DOES[does] ?? "")) : `${holder.name || "A supervisor"} ${SUPERVISED[holder.mode] ?? ""}`;
    setText(row.state, [room.session?.agentName ?? "", doing].filter((part) => part !== "").join(" · "));
    if (room.fullName === this.chosen) row.root.setAttribute("aria-current", "true");
    else row.root.removeAttribute("aria-current");
  }

  private add(room: Room): Row {
    const lamp = element("span", { class: "calls__lamp", "aria-hidden": "true" });
    const name = element("span", { class: "calls__name" });
    const timer = element("span", { class: "calls__timer" });
    const line = element("span", { class: "calls__line" });
    const state = element("span", { class: "calls__state" });
    const href = `/console/live/${encodeURIComponent(room.name)}`;
    const root = element("a", { class: "calls__row", href, "data-room": room.name }, lamp, name, timer, state, line);
    this.space.append(element("li", {}, root));
    const row = { root, lamp, name, timer, line, state };
    this.rows.set(room.fullName, row);
    return row;
  }
}

function people(room: Room): string {
  return room.people === 0 ? "Nobody is there" : counted(room.people, "participant");
}
