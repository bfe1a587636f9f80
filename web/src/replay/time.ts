/** Where in a conversation one is. Moments are milliseconds from its start. */

import type { Bar, Line, Sound, Turn } from "../platform/replay";

/** The last of these beginnings, in order, that has come; -1 before the first. */
export function lastBegun(begins: readonly number[], ms: number): number {
  let [low, high] = [0, begins.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((begins[middle] ?? 0) <= ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The recording that is played: of the whole room, each side on its own, the newest; null where none can be. */
export function bestSound(sounds: readonly Sound[]): Sound | null {
  const rank = (sound: Sound): number => (sound.url === null ? 0 : 1) * 4 + (sound.channels === "dual" ? 2 : 0) + (sound.peaks === null ? 0 : 1);
  return sounds.filter(({ url }) => url !== null).sort((a, b) => rank(b) - rank(a) || b.id - a.id)[0] ?? null;
}

/** How long the whole is, with the sound that goes on after the last word. */
export function wholeOf(durationMs: number, sound: Sound | null): number {
  const heard = sound === null ? 0 : (sound.offset_ms ?? 0) + (sound.duration ?? 0) * 1000;
  return Math.max(1, durationMs, Math.round(heard));
}

/** The turn that a line answers: the one whose sound began at the line's start, or a little before or after. */
export function turnOf(line: Line, turns: readonly Turn[], within = 1500): Turn | null {
  if (line.speaker !== "agent") return null;
  const far = (turn: Turn): number => Math.abs((turn.audio_started_ms ?? Number.POSITIVE_INFINITY) - line.timestamp_ms);
  const nearest = [...turns].sort((a, b) => far(a) - far(b))[0];
  return nearest !== undefined && far(nearest) <= within ? nearest : null;
}

/** For each line the turn it answers; a turn belongs to one line. */
export function turnsOfLines(lines: readonly Line[], turns: readonly Turn[]): Map<number, Turn> {
  const found = new Map<number, Turn>();
  const taken = new Set<Turn>();
  lines.forEach((line, place) => {
    const turn = turnOf(line, turns.filter((each) => !taken.has(each)));
    if (turn === null || turn.gap_ms === null) return;
    taken.add(turn);
    found.set(place, turn);
  });
  return found;
}

/** The outline of a waveform, as an SVG path that is `peaks.length` wide and 2 high around its middle at 1. */
export function outline(peaks: readonly number[]): string {
  const loudest = Math.max(0.05, ...peaks);
  const height = peaks.map((peak) => Math.max(0.02, Math.sqrt(peak / loudest)));
  const upper = height.map((each, place) => `${place} ${(1 - each).toFixed(3)}L${place + 1} ${(1 - each).toFixed(3)}`);
  const lower = height.map((each, place) => `${place + 1} ${(1 + each).toFixed(3)}L${place} ${(1 + each).toFixed(3)}`).reverse();
  return peaks.length === 0 ? "" : `M${upper.join("L")}L${lower.join("L")}Z`;
}

/** Bars as parts of the whole gap, in hundredths: where each begins and how long it is. */
export function placed(bars: readonly Bar[], gapMs: number): { part: string; left: number; width: number; ms: number }[] {
  const whole = Math.max(gapMs, 0.001);
  return bars.map(({ part, begin_ms, ms }) => ({ part, ms, left: (100 * begin_ms) / whole, width: (100 * ms) / whole }));
}

/** The middle of some figures, or between the two there; 0 of none. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1] ?? 0, sorted[sorted.length >> 1] ?? 0];
  return (low + high) / 2;
}
