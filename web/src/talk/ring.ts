/** The ring around the persona: its voice grows outwards, yours inwards; without sound it shows the state. */

import type { LevelMeter } from "../call/levels";
import type { TalkState } from "./state";
import { fitCanvas, prefersStillness } from "./canvas";

const SPOKES = 72;
const HALF = SPOKES / 2;
/** Below this the spectrum is noise and would only tremble. */
const SILENT = 0.02;
/** A zero-length line has no caps in some browsers; this much makes it a dot. */
const DOT = 0.1;
const RISE = 0.45;
const FALL = 0.14;

export interface Colours {
  persona: string;
  you: string;
  quiet: string;
}

/** Fainter than this is not drawn. */
const FAINT = 0.03;

export class Ring {
  private readonly outward = new Float32Array(HALF);
  private readonly inward = new Float32Array(HALF);
  private readonly heard = new Float32Array(HALF);

  constructor(private readonly canvas: HTMLCanvasElement) {}

  get atRest(): boolean {
    return this.outward.every((strength) => strength <= FAINT) && this.inward.every((strength) => strength <= FAINT);
  }

  draw(state: TalkState, colours: Colours, persona: LevelMeter | null, you: LevelMeter | null, time: number): void {
    const still = prefersStillness();
    this.follow(this.outward, persona, still);
    this.follow(this.inward, state.phase === "call" && !state.muted ? you : null, still);
    const { context, width, height } = fitCanvas(this.canvas);
    const size = Math.min(width, height);
    context.clearRect(0, 0, width, height);
    context.translate(width / 2, height / 2);
    context.lineCap = "round";
    context.lineWidth = Math.max(2, size * 0.0125);
    const radius = size * 0.385;
    for (let spoke = 0; spoke < SPOKES; spoke++) {
      const band = spoke < HALF ? spoke : SPOKES - 1 - spoke; // mirrored: low voices below, high ones above
      const angle = Math.PI / 2 + ((spoke + 0.5) / SPOKES) * 2 * Math.PI;
      const out = this.outward[band] ?? 0;
      const inside = this.inward[band] ?? 0;
      const glow = still ? 0 : motion(state, spoke, time);
      context.globalAlpha = 1;
      if (inside > FAINT) this.spoke(context, angle, radius, radius - inside * size * 0.055, colours.you);
      context.globalAlpha = out > FAINT || glow > 0 ? Math.max(0.35 + glow * 0.65, Math.min(1, out * 4)) : 1;
      const length = Math.max(DOT, out * size * 0.105, glow * size * 0.028);
      const colour = out > FAINT || glow > 0.02 ? colours.persona : inside > FAINT ? colours.you : colours.quiet;
      this.spoke(context, angle, radius, radius + length, colour);
    }
    context.globalAlpha = 1;
  }

  private follow(shown: Float32Array, meter: LevelMeter | null, still: boolean): void {
    const silent = meter === null || still || meter.level() < SILENT;
    if (silent) this.heard.fill(0);
    else meter.spectrum(this.heard);
    for (let band = 0; band < HALF; band++) {
      const target = this.heard[band] ?? 0;
      const current = shown[band] ?? 0;
      shown[band] = still ? 0 : current + (target - current) * (target > current ? RISE : FALL);
    }
  }

  private spoke(context: CanvasRenderingContext2D, angle: number, from: number, to: number, colour: string): void {
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(Math.cos(angle) * from, Math.sin(angle) * from);
    context.lineTo(Math.cos(angle) * to, Math.sin(angle) * to);
    context.stroke();
  }
}

/** How bright a spoke glows of itself: a runner while connecting, three slow waves while thinking. */
function motion(state: TalkState, spoke: number, time: number): number {
  const turn = spoke / SPOKES;
  const waiting =
    state.phase === "connecting" ||
    (state.phase === "call" &&
      (state.persona === "joining" || state.persona === "away" || state.connection === "reconnecting"));
  if (waiting) {
    const behind = (((time / 1400 - turn) % 1) + 1) % 1;
    return Math.max(0, 1 - behind * 3);
  }
  if (state.phase === "call" && state.persona === "thinking") {
    return Math.max(0, Math.sin((turn * 3 - time / 1500) * 2 * Math.PI)) ** 2;
  }
  return 0;
}
