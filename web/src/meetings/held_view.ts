/** Meetings that people held, whoever of them brought a bot: how long, with how many, at what cost. */

import { emptyState, linkButton } from "../console/empty";
import { LongList } from "../console/long_list";
import { timeTag } from "../console/section";
import { duration, money } from "../console/words";
import { type HeldMeeting, heldMeetings } from "../platform/account";

export class HeldView {
  readonly id = "held";
  readonly title = "Held by people";
  readonly root: HTMLElement;

  private readonly list: LongList<HeldMeeting>;

  constructor() {
    this.list = new LongList<HeldMeeting>({
      label: "Meetings of people",
      columns: ["Title", "Meeting", "Started", "Length", "People", "Cost"],
      fetch: heldMeetings,
      cells: (row) => [
        row.title,
        row.id,
        row.startedAt === null ? "–" : timeTag(row.startedAt),
        row.durationSeconds === null ? "–" : duration(row.durationSeconds),
        String(row.participants),
        money(row.cost),
      ],
      href: (row) => `/join/${encodeURIComponent(row.id)}`,
      empty: () => emptyState("people", "No meetings of people yet", "A meeting begins in a click on the home page, or with POST /api/meetings.", linkButton("To the home page", "/")),
    });
    this.root = this.list.root;
  }

  start(signal: AbortSignal): Promise<void> {
    return this.list.start(signal);
  }
}
