/** What one bot has brought back: its recording, and words that play from where they are clicked. */

import { every } from "../console/clock";
import { Problem, wordsFor } from "../console/problem";
import { clock, duration } from "../console/words";
import { element } from "../dom/element";
import { type BotData, botData, OVER, type Passage } from "../platform/bots";
import { STATES } from "./words";

const EVERY_MS = 2_000;

export class BotView {
  readonly root: HTMLElement;

  private readonly title = element("h2", { id: "bot-title", tabindex: "-1" });
  private readonly facts = element("p", { class: "section__hint" });
  private readonly problem = new Problem();
  private readonly stage = element("div", { class: "bot__stage" });
  private readonly transcript = element("ol", { class: "bot__transcript" });
  private readonly chat = element("section", { class: "bot__chat", "aria-label": "Chat", hidden: true });
  private media: HTMLMediaElement | null = null;
  private words: { node: HTMLElement; start: number; end: number }[] = [];
  private shown = "";

  constructor(private readonly uuid: string) {
    const close = element("a", { class: "button button--quiet", href: "/console/bots" }, "Close");
    this.root = element(
      "section",
      { class: "panel section bot", "aria-labelledby": "bot-title" },
      element("div", { class: "bot__head" }, this.title, close),
      this.facts,
      this.problem.root,
      this.stage,
      this.transcript,
      this.chat,
    );
    this.transcript.addEventListener("click", ({ target }) => {
      const place = target instanceof HTMLElement ? target.closest<HTMLElement>("[data-start]") : null;
      if (place !== null) this.playFrom(Number(place.dataset["start"]));
    });
  }

  /** Follows the bot until it is over. */
  async start(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.media?.pause());
    if (await this.read(signal)) every(EVERY_MS, signal, () => this.read(signal));
  }

  /** Whether there is more to come. */
  private async read(signal: AbortSignal): Promise<boolean> {
    try {
      const data = await botData(this.uuid, signal);
      this.problem.clear();
      this.draw(data);
      return !OVER.includes(data.state);
    } catch (error) {
      if (!signal.aborted) this.problem.tell(wordsFor(error));
      return true;
    }
  }

  private draw(data: BotData): void {
    this.title.textContent = data.name;
    const length = data.seconds > 0 ? ` · ${duration(data.seconds)}` : "";
    this.facts.textContent = `${STATES[data.state]}${length} · ${data.meetingUrl}`;
    if (data.problem !== null) this.problem.tell(data.problem);
    if (data.media !== "" && this.media === null && OVER.includes(data.state)) this.showMedia(data);
    const now = JSON.stringify([data.passages, data.chat]);
    if (now !== this.shown) {
      this.shown = now;
      this.showWords(data);
      this.showChat(data);
    }
  }

  private showMedia(data: BotData): void {
    const media = element(data.isSound ? "audio" : "video", { class: "bot__media", controls: true, preload: "metadata", src: data.media });
    media.addEventListener("timeupdate", () => this.mark(media.currentTime));
    this.media = media;
    this.stage.replaceChildren(media);
  }

  private showWords({ passages, state, oneLine }: BotData): void {
    this.words = [];
    this.transcript.replaceChildren(...passages.map((passage) => this.passage(passage)));
    if (passages.length > 0) return;
    const words = OVER.includes(state) ? "Nothing was written down." : "What is said appears here a moment after each sentence.";
    this.transcript.replaceChildren(element("li", { class: "section__empty" }, oneLine ? `${words} A telephone line has one voice for all.` : words));
  }

  private showChat({ chat }: BotData): void {
    this.chat.hidden = chat.length === 0;
    const lines = chat.map(({ name, text }) => element("li", {}, element("strong", {}, name), " ", text));
    this.chat.replaceChildren(element("h3", {}, "Written in the chat"), element("ol", { class: "bot__lines" }, ...lines));
  }

  private passage({ speaker, words }: Passage): HTMLElement {
    const start = words[0]?.start ?? 0;
    const spoken = words.flatMap((word) => {
      const node = element("span", { class: "bot__word", "data-start": String(word.start) }, word.text);
      this.words.push({ node, start: word.start, end: word.end });
      return [node, " "];
    });
    return element(
      "li",
      { class: "bot__passage" },
      // One stop for the keyboard for each passage; a stop for each word would make a page of them.
      element("button", { class: "bot__time", type: "button", "data-start": String(start), "aria-label": `Play from ${clock(start * 1000)}` }, clock(start * 1000)),
      element("div", {}, element("strong", {}, speaker), element("p", {}, ...spoken)),
    );
  }

  private playFrom(seconds: number): void {
    if (this.media === null) return;
    this.media.currentTime = seconds;
    void this.media.play().catch(() => undefined); // a browser that refuses leaves its own button
    this.mark(seconds);
  }

  private mark(at: number): void {
    for (const { node, start, end } of this.words) node.classList.toggle("bot__word--now", start <= at && at < end);
  }
}
