/** The sound as it looks: a lane for each side, gaps before answers, the playhead. Drag it to go elsewhere. */

import { clock } from "../console/words";
import { element } from "../dom/element";
import type { Line, Replay, Sound } from "../platform/replay";
import type { Player } from "./player";
import { outline } from "./time";

const SPACE = "http://www.w3.org/2000/svg";
const NAMES: Record<string, string> = { agents: "Agent", people: "Person", everyone: "Everyone" };

interface Lane {
  readonly kind: string;
  readonly root: HTMLElement;
}

export class Waves {
  readonly root: HTMLElement;

  private readonly played: HTMLElement[] = [];
  private readonly head = element("div", { class: "waves__head", "aria-hidden": "true" });
  private readonly area: HTMLElement;

  constructor(
    replay: Replay,
    sound: Sound | null,
    private readonly player: Player,
  ) {
    const lanes = sound?.peaks == null || sound.peaks.peaks.length === 0 ? this.byLines(replay) : this.bySound(sound, sound.peaks);
    const marks = this.marks(replay);
    this.area = element(
      "div",
      {
        class: "waves__area",
        role: "slider",
        tabindex: "0",
        "aria-label": "Where in the conversation",
        "aria-valuemin": "0",
        "aria-valuemax": String(Math.round(player.wholeMs / 1000)),
      },
      ...lanes.map(({ root }) => root),
      marks,
      this.head,
    );
    const names = element("div", { class: "waves__names", "aria-hidden": "true" }, ...lanes.map(({ kind }) => element("span", { "data-kind": kind }, NAMES[kind] ?? kind)));
    this.root = element("div", { class: "waves" }, names, this.area);
    this.area.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.area.setPointerCapture(event.pointerId);
      this.go(event);
    });
    this.area.addEventListener("pointermove", (event) => {
      if (this.area.hasPointerCapture(event.pointerId)) this.go(event);
    });
    player.onMove((ms) => this.show(ms));
    this.show(player.ms);
  }

  private go(event: PointerEvent): void {
    const { left, width } = this.area.getBoundingClientRect();
    this.player.seek(((event.clientX - left) / Math.max(1, width)) * this.player.wholeMs);
  }

  private show(ms: number): void {
    const part = (100 * ms) / this.player.wholeMs;
    this.head.style.insetInlineStart = `${part}%`;
    for (const lane of this.played) lane.style.clipPath = `inset(0 ${100 - part}% 0 0)`;
    this.area.setAttribute("aria-valuenow", String(Math.round(ms / 1000)));
    this.area.setAttribute("aria-valuetext", `${clock(ms)} of ${clock(this.player.wholeMs)}`);
  }

  private bySound(sound: Sound, { names, peaks }: NonNullable<Sound["peaks"]>): Lane[] {
    const begin = (100 * (sound.offset_ms ?? 0)) / this.player.wholeMs;
    const width = (100 * (sound.duration ?? 0) * 1000) / this.player.wholeMs;
    return peaks.map((channel, number) => {
      const draw = (): SVGElement => {
        const svg = shape("svg", { class: "lane__wave", viewBox: `0 0 ${Math.max(1, channel.length)} 2`, preserveAspectRatio: "none" });
        svg.append(shape("path", { d: outline(channel) }));
        svg.style.insetInlineStart = `${begin}%`;
        svg.style.width = `${width}%`;
        return svg;
      };
      return this.lane(names[number] ?? "everyone", draw);
    });
  }

  /** Who spoke when, where there is no sound to draw. */
  private byLines({ lines }: Replay): Lane[] {
    const of = (speaker: Line["speaker"]) => (): SVGElement => {
      const svg = shape("svg", { class: "lane__wave lane__wave--lines", viewBox: `0 0 ${this.player.wholeMs} 2`, preserveAspectRatio: "none" });
      for (const line of lines) {
        if (line.speaker !== speaker) continue;
        svg.append(shape("rect", { x: line.timestamp_ms, width: Math.max(1, line.duration_ms), y: 0.6, height: 0.8 }));
      }
      return svg;
    };
    return [this.lane("agents", of("agent")), this.lane("people", of("user"))];
  }

  private lane(kind: string, draw: () => SVGElement): Lane {
    const over = element("div", { class: "lane__played" });
    over.append(draw());
    this.played.push(over);
    const root = element("div", { class: "lane", "data-kind": kind, "aria-hidden": "true" });
    root.append(draw(), over);
    return { kind, root };
  }

  /** Gaps that were heard before answers; tools and faults at their moment. */
  private marks({ turns, tools, faults, fallbacks }: Replay): HTMLElement {
    const root = element("div", { class: "waves__marks", "aria-hidden": "true" });
    const place = (node: HTMLElement, at: number, width = 0): void => {
      node.style.insetInlineStart = `${(100 * at) / this.player.wholeMs}%`;
      if (width > 0) node.style.width = `${(100 * width) / this.player.wholeMs}%`;
      root.append(node);
    };
    for (const { speech_ended_ms: ended, gap_ms: gap } of turns) {
      if (ended !== null && gap !== null && gap > 0) place(element("div", { class: "waves__gap" }), ended, gap);
    }
    for (const tool of tools) place(element("div", { class: "waves__dot", "data-kind": tool.failed ? "fault" : "tool" }), tool.at_ms);
    for (const { at_ms } of [...faults, ...fallbacks]) place(element("div", { class: "waves__dot", "data-kind": "fault" }), at_ms);
    return root;
  }
}

function shape(tag: string, attributes: Record<string, string | number>): SVGElement {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}
