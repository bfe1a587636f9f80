/** Messages as they come, given on once a frame: what is out of date by then is left out. */

import type { MonitorMessage } from "../platform/monitor";

/** Messages given on in one frame; the rest waits for the next. At 60 frames it is twice a thousand a second. */
const PER_FRAME = 40;
/** More than this is not kept: the list below is fetched anew instead. */
const MOST = 20_000;

/** What of two messages of one key is worth drawing: the later one. Null: it is worth drawing whatever comes. */
export function keyOf(message: MonitorMessage): string | null {
  const { data } = message;
  if (message.type === "transcript.new" && data["is_final"] === false) return `line:${data["session_id"]}:${data["speaker"]}`;
  if (message.type === "persona.state") return `state:${data["session_id"]}`;
  return null;
}

export class Batch {
  private queue: (MonitorMessage | null)[] = [];
  private head = 0;
  private readonly places = new Map<string, number>();
  private asked = false;

  /** `take` gets the messages of a frame in order; `lost` is told that there were too many. */
  constructor(
    private readonly take: (messages: MonitorMessage[]) => void,
    private readonly lost: () => void,
    private readonly nextFrame: (draw: () => void) => void = (draw) => requestAnimationFrame(draw),
  ) {}

  add(message: MonitorMessage): void {
    if (this.queue.length - this.head >= MOST) {
      this.clear();
      this.lost();
    }
    const key = keyOf(message);
    if (key !== null) {
      const before = this.places.get(key);
      if (before !== undefined && before >= this.head) this.queue[before] = null;
      this.places.set(key, this.queue.length);
    }
    this.queue.push(message);
    this.ask();
  }

  get waiting(): number {
    return this.queue.length - this.head;
  }

  private ask(): void {
    if (this.asked) return;
    this.asked = true;
    this.nextFrame(() => {
      this.asked = false;
      this.flush();
    });
  }

  private flush(): void {
    const messages: MonitorMessage[] = [];
    while (this.head < this.queue.length && messages.length < PER_FRAME) {
      const message = this.queue[this.head];
      this.head += 1;
      if (message !== null && message !== undefined) messages.push(message);
    }
    if (this.head === this.queue.length) this.clear();
    else this.ask();
    if (messages.length > 0) this.take(messages);
  }

  private clear(): void {
    this.queue = [];
    this.head = 0;
    this.places.clear();
  }
}
