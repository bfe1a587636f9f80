/** What was said, in step with the sound: the word that is heard is lit; a click on another plays from there. */

import { clock, milliseconds } from "../console/words";
import { element } from "../dom/element";
import type { Line, Replay, Turn } from "../platform/replay";
import { stacked } from "./gaps";
import type { Player } from "./player";
import { lastBegun, turnsOfLines } from "./time";

/** Sound begins a little before a word that is clicked: its first consonant is soft, and its time may be an estimate. */
const BEFORE_MS = 200;
/** For so long after its reader has scrolled, the page does not. */
const READER_SCROLLS_MS = 5_000;
const SPEAKERS: Record<string, string> = { agent: "Agent", user: "Person", system: "Note" };

export class Lines {
  readonly root = element("ol", { class: "lines", "aria-label": "Transcript", tabindex: "0" });
  /** Of the lines that are heard, not of notes between them. */
  readonly begins: readonly number[];

  private readonly rows: HTMLElement[];
  private readonly words: HTMLElement[] = [];
  private readonly wordBegins: number[] = [];
  private readonly wordEnds: number[] = [];
  private row = -1;
  private word = -1;
  private scrolledAt = Number.NEGATIVE_INFINITY;
  /** What was clicked, until its sound has come. */
  private clickedMs: number | null = null;

  constructor(
    replay: Replay,
    private readonly player: Player,
    opened: (turn: Turn) => void,
  ) {
    const lines = [...replay.lines].sort((a, b) => a.timestamp_ms - b.timestamp_ms);
    const turns = turnsOfLines(lines, replay.turns);
    const drawn = lines.map((line, place) => ({ line, row: this.draw(line, turns.get(place) ?? null, replay, opened) }));
    this.root.append(...drawn.map(({ row }) => row));
    const heard = drawn.filter(({ line }) => line.speaker !== "system");
    this.begins = heard.map(({ line }) => line.timestamp_ms);
    this.rows = heard.map(({ row }) => row);
    const order = this.words.map((_, place) => place).sort((a, b) => (this.wordBegins[a] ?? 0) - (this.wordBegins[b] ?? 0));
    [this.words, this.wordBegins, this.wordEnds].forEach((all: unknown[]) => {
      const sorted = order.map((place) => all[place]);
      all.splice(0, all.length, ...sorted);
    });
    this.root.addEventListener("click", (event) => this.clicked(event));
    for (const name of ["wheel", "touchmove"]) {
      this.root.addEventListener(name, () => (this.scrolledAt = performance.now()), { passive: true });
    }
    player.onMove((ms) => this.show(ms));
  }

  /** To the line before or after the one that is heard. */
  step(by: number): void {
    const here = lastBegun(this.begins, this.player.ms + 1);
    const to = this.begins[Math.max(0, Math.min(this.begins.length - 1, here + by))];
    if (to !== undefined) this.player.seek(to);
  }

  private draw(line: Line, turn: Turn | null, replay: Replay, opened: (turn: Turn) => void): HTMLElement {
    const name = line.name === "" ? (line.speaker === "agent" ? replay.session.agent_name : null) : line.name;
    const at = element("button", { class: "line__at", type: "button", "data-ms": String(line.timestamp_ms), "aria-label": `Play from ${clock(line.timestamp_ms)}` }, clock(line.timestamp_ms));
    const said = element("p", { class: "line__words" });
    line.words.forEach(({ text, start_ms, end_ms }, number) => {
      const word = element("span", { class: "word", "data-ms": String(start_ms) }, text);
      if (line.speaker !== "system") {
        this.words.push(word);
        this.wordBegins.push(start_ms);
        this.wordEnds.push(end_ms);
      }
      if (number > 0) said.append(" ");
      said.append(word);
    });
    if (line.words.length === 0) said.append(line.content);
    return element(
      "li",
      { class: "line", "data-speaker": line.speaker },
      turn === null ? null : this.gap(turn, opened),
      element(
        "div",
        { class: "line__head" },
        at,
        element("span", { class: "line__who" }, name ?? SPEAKERS[line.speaker] ?? line.speaker),
        line.interrupted ? element("span", { class: "line__cut", title: "A person spoke over it: what was not heard is left out" }, "interrupted") : null,
      ),
      said,
    );
  }

  private gap(turn: Turn, opened: (turn: Turn) => void): HTMLElement {
    const words = `${milliseconds(turn.gap_ms ?? 0)} to answer`;
    const button = element("button", { class: "gap", type: "button", "aria-label": `${words}: show where they went` }, stacked(turn), element("span", { class: "gap__words" }, words));
    button.addEventListener("click", (event) => {
      event.stopPropagation();
      opened(turn);
    });
    return button;
  }

  private clicked(event: Event): void {
    const ms = (event.target as Element).closest<HTMLElement>("[data-ms]")?.dataset["ms"];
    if (ms === undefined || String(getSelection()) !== "") return;
    this.scrolledAt = Number.NEGATIVE_INFINITY;
    this.player.seek(Number(ms) - BEFORE_MS);
    this.clickedMs = Number(ms);
    this.show(this.player.ms);
    void this.player.play();
  }

  private show(heardMs: number): void {
    const isBefore = this.clickedMs !== null && heardMs < this.clickedMs && heardMs >= this.clickedMs - 2 * BEFORE_MS;
    if (!isBefore) this.clickedMs = null;
    const ms = isBefore ? (this.clickedMs ?? heardMs) : heardMs;
    const row = lastBegun(this.begins, ms + 1);
    if (row !== this.row) {
      this.rows[this.row]?.classList.remove("line--now");
      this.row = row;
      const line = this.rows[row];
      line?.classList.add("line--now");
      if (line !== undefined && performance.now() - this.scrolledAt > READER_SCROLLS_MS) this.bring(line);
    }
    const begun = lastBegun(this.wordBegins, ms + 1);
    const word = begun >= 0 && ms <= (this.wordEnds[begun] ?? 0) + 250 ? begun : -1;
    if (word !== this.word) {
      this.words[this.word]?.classList.remove("word--now");
      this.words[word]?.classList.add("word--now");
      this.word = word;
    }
  }

  /** Only this list scrolls, not the page around it. */
  private bring(line: HTMLElement): void {
    const { root } = this;
    const top = line.offsetTop - root.offsetTop;
    if (top < root.scrollTop + 48 || top + line.offsetHeight > root.scrollTop + root.clientHeight - 48) {
      const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      root.scrollTo({ top: top - root.clientHeight / 3, behavior: isCalm ? "auto" : "smooth" });
    }
  }
}
