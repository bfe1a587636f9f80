/** Bots that attend meetings: sending one, following all, what each has brought back, calendars that send them. */

import { Masthead, Problem, wordsFor } from "../console/shell";
import { element } from "../dom/element";
import { Bots } from "../platform/bots";
import { Console } from "../platform/console";
import { BotView } from "./bot_view";
import { CalendarsView } from "./calendars_view";
import { ListView } from "./list_view";
import { SendView } from "./send_view";

const UUID = /^#([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

export class BotsPage {
  private readonly console = new Console();
  private readonly bots = new Bots();
  private readonly masthead = new Masthead(this.console, "/console/bots");
  private readonly problem = new Problem();
  private readonly list = new ListView(this.bots);
  private readonly bot = new BotView(this.bots);
  private readonly calendars = new CalendarsView(this.bots);

  constructor(root: HTMLElement) {
    const sending = new SendView(this.bots, () => void this.list.refresh());
    root.append(
      this.masthead.root,
      element(
        "main",
        { class: "bots sections" },
        element("h1", { class: "visually-hidden" }, "Bots"),
        this.problem.root,
        this.bot.root,
        sending.root,
        this.list.root,
        this.calendars.root,
      ),
    );
    addEventListener("hashchange", () => this.openNamed());
  }

  async start(): Promise<void> {
    try {
      const account = await this.console.account();
      if (account === null) {
        location.replace("/login?next=/console/bots");
        return;
      }
      this.masthead.update(account);
    } catch (error) {
      this.problem.tell(wordsFor(error));
      return;
    }
    this.openNamed();
    await Promise.all([this.list.start(), this.calendars.start()]);
    document.documentElement.dataset["phase"] = "ready";
  }

  /** The bot that the address names is open, and no other. */
  private openNamed(): void {
    const [, uuid] = UUID.exec(location.hash) ?? [];
    if (uuid === undefined) this.bot.close();
    else this.bot.open(uuid);
  }
}
