/** The account's bots, as they are now. */

import { Problem, wordsFor } from "../console/shell";
import { sectionRoot, sureButton, table } from "../console/section";
import { duration, moment } from "../console/words";
import { element } from "../dom/element";
import { type Bot, type Bots, OVER } from "../platform/bots";
import { STATES } from "./words";

const EVERY_MS = 2_000;

export class ListView {
  readonly root: HTMLElement;

  private readonly list = element("div", {});
  private readonly problem = new Problem();
  private shown = "";

  constructor(private readonly bots: Bots) {
    this.root = sectionRoot("bots", "Your bots", this.problem.root, this.list);
  }

  /** Shows them, and follows them while the page is looked at. */
  async start(signal: AbortSignal): Promise<void> {
    await this.refresh();
    const clock = setInterval(() => {
      if (!document.hidden) void this.refresh();
    }, EVERY_MS);
    signal.addEventListener("abort", () => clearInterval(clock));
  }

  async refresh(): Promise<void> {
    try {
      this.draw(await this.bots.list());
      this.problem.clear();
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }

  private draw(bots: Bot[]): void {
    const now = JSON.stringify(bots);
    if (now === this.shown) return; // a button that asks for certainty stays as it is
    this.shown = now;
    const rows = bots.map((bot) => [
      element("a", { href: `/console/bots/${bot.uuid}` }, bot.name),
      element("span", { class: "tag", "data-state": tone(bot) }, STATES[bot.state]),
      bot.meetingUrl,
      moment(bot.createdAt),
      bot.seconds === null || bot.seconds === 0 ? "–" : duration(bot.seconds),
      OVER.includes(bot.state) || bot.state === "ending" ? "" : sureButton("Remove", "Remove now?", bot.name, () => this.dismiss(bot)),
    ]);
    const columns = ["Bot", "Status", "Meeting", "Sent", "Length", ""];
    this.list.replaceChildren(table("Bots", columns, rows, "No bots yet. Send one to a meeting, or let a calendar send them."));
  }

  private async dismiss(bot: Bot): Promise<void> {
    try {
      await this.bots.dismiss(bot.uuid);
    } catch (error) {
      this.problem.tell(wordsFor(error));
      return;
    }
    await this.refresh();
  }
}

function tone(bot: Bot): string {
  if (bot.state === "failed") return "failed";
  return OVER.includes(bot.state) || bot.state === "scheduled" ? "over" : "active";
}
