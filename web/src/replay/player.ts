/** The playhead: a moment in the conversation, with its sound where there is any. */

import { element } from "../dom/element";
import type { Sound } from "../platform/replay";

export class Player {
  /** Where the playhead is, in milliseconds of the conversation. */
  ms = 0;
  readonly media: HTMLAudioElement | null;

  private readonly moved: ((ms: number) => void)[] = [];
  private readonly turned: (() => void)[] = [];
  private readonly offset: number;
  private frame = 0;
  private wanted: number | null = null;

  /** `again` gets a link that plays, where the one there was has expired. */
  constructor(
    sound: Sound | null,
    readonly wholeMs: number,
    private readonly again: () => Promise<string | null>,
  ) {
    this.offset = sound?.offset_ms ?? 0;
    this.media = sound?.url == null ? null : element("audio", { preload: "auto", src: here(sound.url) });
    if (this.media === null) return;
    const { media } = this;
    for (const name of ["play", "pause", "ended", "ratechange"]) media.addEventListener(name, () => this.tell());
    media.addEventListener("play", () => this.tick());
    media.addEventListener("seeked", () => this.follow());
    media.addEventListener("loadedmetadata", () => {
      if (this.wanted !== null) media.currentTime = this.wanted;
      this.wanted = null;
    });
    let tries = 0;
    media.addEventListener("error", () => {
      if (tries++ >= 3) return;
      const [place, isPlaying] = [this.ms, this.isPlaying];
      void this.again().then((url) => {
        if (url === null) return;
        media.src = here(url);
        this.seek(place);
        if (isPlaying) void this.play();
      });
    });
  }

  get isPlaying(): boolean {
    return this.media !== null && !this.media.paused && !this.media.ended;
  }

  onMove(hear: (ms: number) => void): void {
    this.moved.push(hear);
  }

  /** Hears of play, pause and pace. */
  onTurn(hear: () => void): void {
    this.turned.push(hear);
  }

  seek(ms: number): void {
    this.ms = Math.min(this.wholeMs, Math.max(0, ms));
    if (this.media !== null) {
      const at = Math.max(0, (this.ms - this.offset) / 1000);
      if (this.media.readyState === 0) this.wanted = at;
      else this.media.currentTime = at;
    }
    for (const hear of this.moved) hear(this.ms);
  }

  async play(): Promise<void> {
    try {
      await this.media?.play();
    } catch {
      this.tell(); // a browser that wants a click first: the button stays as it is
    }
  }

  toggle(): void {
    if (this.media === null) return;
    if (this.isPlaying) this.media.pause();
    else void this.play();
  }

  set pace(rate: number) {
    if (this.media !== null) this.media.playbackRate = rate;
  }

  close(): void {
    cancelAnimationFrame(this.frame);
    this.media?.pause();
    this.media?.removeAttribute("src");
    this.media?.load();
  }

  private tell(): void {
    for (const hear of this.turned) hear();
  }

  private tick(): void {
    cancelAnimationFrame(this.frame);
    this.follow();
    if (this.isPlaying) this.frame = requestAnimationFrame(() => this.tick());
  }

  private follow(): void {
    if (this.media === null || this.media.seeking) return;
    this.ms = Math.min(this.wholeMs, this.media.currentTime * 1000 + this.offset);
    for (const hear of this.moved) hear(this.ms);
  }
}

/** The same address at the server that this page came from: its own name for itself may be another. */
function here(url: string): string {
  const { pathname, search } = new URL(url, location.href);
  return pathname + search;
}
