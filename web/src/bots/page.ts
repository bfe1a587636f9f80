/** Bots that attend meetings: sending one, following all, and what one has brought back. */

import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { BotView } from "./bot_view";
import "./bots.css";
import { ListView } from "./list_view";
import { SendView } from "./send_view";

class BotsPage implements View {
  readonly title = "Bots";
  readonly root: HTMLElement;

  private readonly list = new ListView();
  private readonly bot: BotView | null;

  constructor(place: Place) {
    const uuid = place.params["uuid"];
    this.bot = uuid === undefined ? null : new BotView(uuid);
    const sending = new SendView((sent) => place.go(`/console/bots/${sent}`));
    this.root = pageRoot(
      pageHead("Bots", "They attend meetings here and elsewhere, and bring back what was said."),
      this.bot?.root ?? null,
      sending.root,
      this.list.root,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.list.start(signal), this.bot?.start(signal)]);
  }
}

export const open: Open = (place) => new BotsPage(place);
