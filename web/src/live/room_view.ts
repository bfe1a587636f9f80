/** One call: what is said as it is spoken, what the persona is doing, who speaks how loud, how long each answer took. */

import { clock } from "../call/transcript";
import { counted } from "../console/words";
import { element, setText } from "../dom/element";
import type { Room } from "../monitor/board";
import { FeedView } from "../monitor/feed_view";
import type { CallState, Turn } from "./calls";
import type { Heard } from "./supervising";

const STATES: Record<string, string> = {
  listening: "Listening",
  thinking: "Thinking",
  speaking: "Speaking",
  silent: "Silent: a supervisor has the call",
};
const PARTS: Record<string, string> = {
  recognition_ms: "recognition",
  endpointing_ms: "end of turn",
  retrieval_ms: "knowledge",
  model_ms: "model",
  tools_ms: "tools",
  other_ms: "other",
  speech_ms: "speech",
  playout_ms: "playout",
};
const SHOWN_TURNS = 8;

export class RoomView {
  readonly root: HTMLElement;
  readonly feed = new FeedView();

  private readonly title = element("h2", { class: "call__title", id: "call-title" });
  private readonly facts = element("p", { class: "call__facts" });
  private readonly ring = element("div", { class: "ring", "aria-hidden": "true" }, element("span", { class: "ring__level" }), element("span", { class: "ring__core" }));
  private readonly does = element("p", { class: "ring__state", role: "status" });
  private readonly levels = element("ul", { class: "levels", "aria-label": "Who is heard" });
  private readonly noLevels = element("p", { class: "levels__none" }, "Listen in to see who speaks, and how loud.");
  private readonly turns = element("ol", { class: "turns" });
  private readonly noTurns = element("p", { class: "levels__none" }, "The time of each answer appears here.");
  private readonly tools = element("ol", { class: "tools" });
  private readonly toolsPart: HTMLElement;
  private readonly meters = new Map<string, { heard: Heard; bar: HTMLElement; root: HTMLElement }>();
  private shownTurn: Turn | undefined;
  private shownTool: CallState["tools"][number] | undefined;

  constructor(modes: HTMLElement) {
    this.toolsPart = element("section", { class: "call__part", hidden: true }, element("h3", {}, "Tools"), this.tools);
    this.root = element(
      "section",
      { class: "call", "aria-labelledby": "call-title" },
      modes,
      element(
        "div",
        { class: "call__scene" },
        element("section", { class: "call__words panel" }, element("header", { class: "call__head" }, this.title, this.facts), this.feed.root),
        element(
          "div",
          { class: "call__side" },
          element("section", { class: "call__part panel call__persona" }, this.ring, this.does),
          element("section", { class: "call__part panel" }, element("h3", {}, "Sound"), this.noLevels, this.levels),
          element("section", { class: "call__part panel" }, element("h3", {}, "Answers"), this.noTurns, this.turns, this.toolsPart),
        ),
      ),
    );
  }

  update(room: Room | null, name: string, state: CallState): void {
    setText(this.title, name);
    setText(this.facts, factsOf(room));
    const does = room === null || room.session === null ? null : state.persona;
    this.ring.dataset["state"] = does ?? "none";
    setText(this.does, does === null ? (room?.session == null ? "No persona is here" : "Waiting for its first word") : (STATES[does] ?? ""));
    if (state.turns.at(-1) !== this.shownTurn) this.drawTurns(state.turns);
    if (state.tools.at(-1) !== this.shownTool) this.drawTools(state);
  }

  /** The line of the head alone, once a second. */
  tick(room: Room | null): void {
    setText(this.facts, factsOf(room));
  }

  hear(heard: ReadonlyMap<string, Heard> | null): void {
    for (const [key, meter] of this.meters) {
      if (heard?.get(key) === meter.heard) continue;
      meter.root.remove();
      this.meters.delete(key);
    }
    for (const [key, each] of heard ?? []) {
      if (this.meters.has(key)) continue;
      const bar = element("span", { class: "level__bar" });
      const root = element(
        "li",
        { class: "level", "data-side": each.side },
        element("span", { class: "level__name" }, each.name),
        element("span", { class: "level__track", "aria-hidden": "true" }, bar),
      );
      this.meters.set(key, { heard: each, bar, root });
      this.levels.append(root);
    }
    this.noLevels.hidden = this.meters.size > 0;
    if (heard === null) this.ring.style.removeProperty("--level");
  }

  /** Once a frame. */
  drawLevels(): void {
    for (const { heard, bar, root } of this.meters.values()) {
      const level = heard.meter.level();
      bar.style.transform = `scaleX(${level.toFixed(3)})`;
      root.dataset["speaks"] = String(level > 0.09);
      if (heard.side === "persona") this.ring.style.setProperty("--level", level.toFixed(3));
    }
  }

  private drawTurns(turns: readonly Turn[]): void {
    this.shownTurn = turns.at(-1);
    this.noTurns.hidden = turns.length > 0;
    this.turns.replaceChildren(...turns.slice(-SHOWN_TURNS).reverse().map(turnOf));
  }

  private drawTools(state: CallState): void {
    this.shownTool = state.tools.at(-1);
    this.toolsPart.hidden = state.tools.length === 0;
    const shown = state.tools.slice(-SHOWN_TURNS).reverse();
    this.tools.replaceChildren(
      ...shown.map(({ name, isFailed, ms }) =>
        element("li", { class: "tools__one", "data-failed": String(isFailed) }, name, element("span", {}, isFailed ? "failed" : `${Math.round(ms)} ms`)),
      ),
    );
  }
}

function turnOf(turn: Turn): HTMLElement {
  const parts = Object.entries(PARTS).map(([name, words], place) => ({ words, place, ms: Math.max(0, turn.parts[name] ?? 0) }));
  const bar = element("span", { class: "turn__bar", "aria-hidden": "true" });
  for (const { ms, place } of parts) {
    if (ms <= 0) continue;
    const part = element("span", { class: "turn__part", "data-part": String(place + 1) });
    part.style.flexGrow = String(ms);
    bar.append(part);
  }
  const total = turn.gap ?? parts.reduce((sum, { ms }) => sum + ms, 0);
  bar.style.width = `${Math.min(100, (total / 3_000) * 100).toFixed(1)}%`;
  const title = parts.filter(({ ms }) => ms >= 1).map(({ words, ms }) => `${words} ${Math.round(ms)} ms`).join(", ");
  const passages = turn.passages === 0 ? "" : counted(turn.passages, "passage");
  return element(
    "li",
    { class: "turn", title },
    element("span", { class: "turn__total" }, turn.gap === null ? "–" : `${(turn.gap / 1_000).toFixed(2)} s`),
    bar,
    element("span", { class: "turn__passages" }, passages),
    element("span", { class: "visually-hidden" }, title),
  );
}

function factsOf(room: Room | null): string {
  if (room === null) return "Closed";
  const people = counted(room.people, "participant");
  if (room.session === null) return people;
  return `${room.session.agentName ?? "Call"} · ${clock((Date.now() - room.session.startedAt) / 1_000)} · ${people}`;
}
