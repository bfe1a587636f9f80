/** The last seconds of both voices, the persona above the line and you below; after the call, a line at rest. */

import { fitCanvas, prefersStillness } from "./canvas";
import type { Colours } from "./ring";

const STEP_MS = 60;
const BAR = 3;
const GAP = 2;
const KEPT = 400;
/** Fainter than this is not drawn. */
const FAINT = 0.04;
/** What a frame leaves of a voice once the call is over. */
const FADE = 0.86;
/** A zero-length line has no caps in some browsers; this much makes it a dot. */
const DOT = 0.1;

export class Ribbon {
  private persona: number[] = [];
  private you: number[] = [];
  private sampledAt = 0;
  private peak = { persona: 0, you: 0 };

  constructor(private readonly canvas: HTMLCanvasElement) {}

  get isEmpty(): boolean {
    return this.persona.length === 0;
  }

  get atRest(): boolean {
    return this.persona.every((level) => level < FAINT) && this.you.every((level) => level < FAINT);
  }

  clear(): void {
    this.persona = [];
    this.you = [];
    this.peak = { persona: 0, you: 0 };
  }

  /** Takes the levels of this frame; a bar shows the loudest of its frames. */
  add(persona: number, you: number, time: number): void {
    this.peak = { persona: Math.max(this.peak.persona, persona), you: Math.max(this.peak.you, you) };
    if (time - this.sampledAt < STEP_MS) return;
    this.sampledAt = time;
    this.persona.push(this.peak.persona);
    this.you.push(this.peak.you);
    this.peak = { persona: 0, you: 0 };
    if (this.persona.length > KEPT) {
      this.persona.shift();
      this.you.shift();
    }
  }

  /** One frame's step towards rest. */
  fade(): void {
    const left = prefersStillness() ? 0 : FADE;
    this.persona = this.persona.map((level) => level * left);
    this.you = this.you.map((level) => level * left);
  }

  draw(colours: Colours, time: number): void {
    if (prefersStillness()) this.drawMeters(colours);
    else this.bars(this.persona, this.you, colours, Math.min(1, (time - this.sampledAt) / STEP_MS));
  }

  private bars(persona: number[], you: number[], colours: Colours, slide: number): void {
    const { context, width, height } = fitCanvas(this.canvas);
    context.clearRect(0, 0, width, height);
    const middle = height / 2;
    const reach = middle - BAR;
    context.lineCap = "round";
    context.lineWidth = BAR;
    const pitch = BAR + GAP;
    for (let back = 0; back * pitch < width + pitch; back++) {
      const x = width - BAR - back * pitch - (slide - 1) * pitch;
      const above = persona.at(-1 - back) ?? 0;
      const below = you.at(-1 - back) ?? 0;
      context.globalAlpha = 1;
      if (above < FAINT && below < FAINT) {
        stroke(context, x, middle, middle + DOT, colours.quiet);
        continue;
      }
      if (above >= FAINT) stroke(context, x, middle - 2, middle - 2 - above * reach, colours.persona);
      if (below >= FAINT) stroke(context, x, middle + 2, middle + 2 + below * reach, colours.you);
    }
  }

  /** For those who ask for no motion: one bar a side that grows in place. */
  private drawMeters(colours: Colours): void {
    const { context, width, height } = fitCanvas(this.canvas);
    context.clearRect(0, 0, width, height);
    const recent = (values: number[]): number => Math.max(0, ...values.slice(-6));
    const rows = [
      { level: recent(this.persona), y: height / 2 - 8, colour: colours.persona },
      { level: recent(this.you), y: height / 2 + 8, colour: colours.you },
    ];
    context.lineCap = "round";
    context.lineWidth = 6;
    for (const { level, y, colour } of rows) {
      for (const [share, paint] of [
        [1, colours.quiet],
        [level, colour],
      ] as const) {
        if (share < FAINT) continue;
        context.strokeStyle = paint;
        context.beginPath();
        context.moveTo(4, y);
        context.lineTo(4 + share * (width - 8), y);
        context.stroke();
      }
    }
  }
}

function stroke(context: CanvasRenderingContext2D, x: number, from: number, to: number, colour: string): void {
  context.strokeStyle = colour;
  context.beginPath();
  context.moveTo(x, from);
  context.lineTo(x, to);
  context.stroke();
}
