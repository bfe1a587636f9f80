/** The account's bots, as they are now. */

import { every } from "../console/clock";
import { Records } from "../console/records";
import { sectionRoot, sureButton, tag } from "../console/section";
import { duration, moment } from "../console/words";
import { element } from "../dom/element";
import { type Bot, bots, dismissBot, OVER } from "../platform/bots";
import { STATES } from "./words";

const EVERY_MS = 2_000;

export class ListView {
  readonly root: HTMLElement;

  private readonly list: Records<Bot> = new Records({
    label: "Bots",
    columns: ["Bot", "Status", "Meeting", "Sent", "Length", ""],
    read: (signal) => this.read(signal),
    cells: (bot) => [
      element("a", { href: `/console/bots/${bot.uuid}` }, bot.name),
      tag(STATES[bot.state], tone(bot)),
      bot.meetingUrl,
      moment(bot.createdAt),
      bot.seconds === null || bot.seconds === 0 ? "–" : duration(bot.seconds),
      OVER.includes(bot.state) || bot.state === "ending" ? "" : sureButton("Remove", "Remove now?", bot.name, () => this.list.change(() => dismissBot(bot.uuid))),
    ],
    empty: () => "No bots yet. Send one to a meeting, or let a calendar send them.",
  });

  private readonly more = element("button", { class: "button button--small", type: "button", hidden: true }, "Earlier bots");
  /** Pages of bots that are shown. */
  private pages = 1;

  constructor() {
    this.more.addEventListener("click", () => {
      this.pages += 1;
      void this.list.refresh();
    });
    this.root = sectionRoot("bots", "Your bots", this.list.root, element("div", {}, this.more));
  }

  /** Shows them, and follows them while the page is looked at. */
  async start(signal: AbortSignal): Promise<void> {
    await this.list.start(signal);
    every(EVERY_MS, signal, () => this.list.refresh());
  }

  private async read(signal: AbortSignal): Promise<Bot[]> {
    const found: Bot[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < this.pages; page += 1) {
      const some = await bots(cursor, signal);
      found.push(...some.rows);
      cursor = some.next;
      if (cursor === null) break;
    }
    this.more.hidden = cursor === null;
    return found;
  }
}

function tone(bot: Bot): string {
  if (bot.state === "failed") return "failed";
  return OVER.includes(bot.state) || bot.state === "scheduled" ? "" : "active";
}
