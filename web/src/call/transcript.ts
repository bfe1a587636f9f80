/** What was said, in the order it began. Interim words of a line give way to its final ones. */

export type Speaker = "persona" | "you";

export interface Line {
  /** The segment of the recogniser or of the persona's speech: the same for all versions of a line. */
  readonly segment: string;
  readonly speaker: Speaker;
  readonly text: string;
  readonly final: boolean;
  /** Seconds since the call began. */
  readonly at: number;
}

/** Two hours of lively talk; beyond it the oldest lines leave the page. */
export const KEPT_LINES = 2_000;

export class Transcript {
  private readonly bySegment = new Map<string, Line>();

  /** Takes a version of a line; answers what the line is afterwards, or null when nothing changed. */
  apply(heard: Line): Line | null {
    const before = this.bySegment.get(heard.segment);
    if (before?.final && !heard.final) return null; // a late interim version
    if (!before && heard.text.trim() === "") return null;
    if (before && before.text === heard.text && before.final === heard.final) return null;
    const after = before ? { ...heard, at: before.at } : heard;
    this.bySegment.set(heard.segment, after);
    if (this.bySegment.size > KEPT_LINES) {
      const oldest = this.bySegment.keys().next();
      if (!oldest.done) this.bySegment.delete(oldest.value);
    }
    return after;
  }

  /** The call is over: what is still interim is what was heard. Answers the lines this settled. */
  settle(): Line[] {
    const settled: Line[] = [];
    for (const [segment, line] of this.bySegment) {
      if (line.final) continue;
      const after = { ...line, final: true };
      this.bySegment.set(segment, after);
      settled.push(after);
    }
    return settled;
  }

  lines(): Line[] {
    return [...this.bySegment.values()];
  }

  /** `[MM:SS] Speaker: text`, as the API writes transcripts. */
  toText(personaName: string): string {
    return this.lines()
      .map((line) => `[${clock(line.at)}] ${line.speaker === "you" ? "You" : personaName}: ${line.text.trim()}`)
      .join("\n");
  }
}

/** `MM:SS`, and `H:MM:SS` from one hour on. */
export function clock(totalSeconds: number): string {
  const whole = Math.max(0, Math.floor(totalSeconds));
  const two = (value: number): string => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const rest = `${two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** A duration in words: "42 seconds", "3 minutes 5 seconds". */
export function durationInWords(totalSeconds: number): string {
  const whole = Math.max(0, Math.round(totalSeconds));
  const count = (value: number, unit: string): string => `${value} ${unit}${value === 1 ? "" : "s"}`;
  if (whole < 60) return count(whole, "second");
  const minutes = count(Math.floor(whole / 60), "minute");
  return whole % 60 === 0 ? minutes : `${minutes} ${count(whole % 60, "second")}`;
}
