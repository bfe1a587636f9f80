/** All conversations, newest first, narrowed as the address says. */

import { whenStill } from "../console/clock";
import { emptyState, linkButton } from "../console/empty";
import { field, select } from "../console/fields";
import { LongList } from "../console/long_list";
import { tag, timeTag } from "../console/section";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { duration, sentence } from "../console/words";
import { element } from "../dom/element";
import { query } from "../platform/client";
import { type SessionFilter, type SessionRow, sessions } from "../platform/sessions";

const types: Record<string, string> = { voice: "Web", sip: "Phone", bot: "Bot", meeting: "Meeting" };
/** Pages that the API gives of a list. */
const LAST_PAGE = 100;

class SessionsPage implements View {
  readonly title = "Sessions";
  readonly root: HTMLElement;

  private readonly filter: SessionFilter;
  private readonly list: LongList<SessionRow>;

  constructor(place: Place) {
    this.filter = {
      status: place.query.get("status") ?? "",
      type: place.query.get("type") ?? "",
      agentId: place.query.get("agent") ?? "",
      outcome: place.query.get("outcome") ?? "",
      search: place.query.get("search") ?? "",
    };
    this.list = new LongList<SessionRow>({
      label: "Sessions",
      columns: ["Started", "With", "By", "Length", "Lines", "State"],
      fetch: (page, perPage, signal) => sessions(this.filter, page, perPage, signal),
      cells: (row) => [
        timeTag(row.startedAt),
        row.agentName ?? "–",
        types[row.type] ?? row.type,
        row.seconds === null ? "–" : duration(row.seconds),
        String(row.lines),
        stateOf(row),
      ],
      href: (row) => `/console/sessions/${row.id}`,
      empty: () => this.empty(),
      lastPage: LAST_PAGE,
    });
    const status = select({
      id: "status",
      label: "State",
      choices: [["", "All"], ["active", "Running"], ["completed", "Ended"], ["failed", "Failed"]],
      value: this.filter.outcome === "failed" ? "failed" : this.filter.status,
    });
    const type = select({ id: "type", label: "By", choices: [["", "All"], ["voice", "Web"], ["sip", "Phone"], ["bot", "Bot"]], value: this.filter.type });
    const search = field({ id: "search", label: "Search", type: "search", attributes: { placeholder: "Room, caller, agent, #42", maxlength: "100" } });
    search.input.value = this.filter.search;
    const narrow = (): void => {
      const isFailed = status.input.value === "failed";
      this.filter.status = isFailed ? "" : status.input.value;
      this.filter.outcome = isFailed ? "failed" : "";
      this.filter.type = type.input.value;
      this.filter.search = search.input.value;
      const { agentId, ...named } = this.filter;
      place.rename(place.path + query({ ...named, agent: agentId }));
      void this.list.reload();
    };
    for (const { input } of [status, type]) input.addEventListener("change", narrow);
    whenStill(search.input, narrow);
    this.root = pageRoot(
      pageHead("Sessions", "Every conversation: open one to hear, read and understand it."),
      element("div", { class: "filters" }, search.root, status.root, type.root),
      this.list.root,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.list.start(signal);
  }

  private empty(): HTMLElement {
    if (Object.values(this.filter).some((value) => value !== "")) return emptyState("lines", "None of this kind", "No session fits what you chose above.");
    const words = "Talk to an agent in the browser, or call its number: the conversation appears here as it begins.";
    return emptyState("phone", "No conversations yet", words, linkButton("Talk to an agent", "/talk", "action"));
  }
}

function stateOf(row: SessionRow): Node {
  if (row.status === "active") return tag("Running", "active");
  if (row.outcome === "failed") return tag(sentence(row.endReason ?? "failed"), "failed");
  return tag(sentence(row.endReason ?? "ended"));
}

export const open: Open = (place) => new SessionsPage(place);
