/** Calls, newest first, with how far each has come and why it ended. */

import { every } from "../console/clock";
import { emptyState, linkButton } from "../console/empty";
import { select } from "../console/fields";
import { LongList } from "../console/long_list";
import { sureButton, tag, timeTag } from "../console/section";
import { duration } from "../console/words";
import { element } from "../dom/element";
import { type Call, calls, hangUp, RUNNING } from "../platform/phone";

const WORDS: Record<string, string> = {
  queued: "In the queue",
  dialing: "Dialling",
  ringing: "Ringing",
  answered: "Talking",
  voicemail: "Voicemail",
  ended: "Ended",
  busy: "Busy",
  rejected: "Rejected",
  no_answer: "No answer",
  failed: "Failed",
};
const AGAIN_MS = 3_000;

export class CallsView {
  readonly id = "calls";
  readonly title = "Calls";
  readonly root: HTMLElement;

  private readonly status = select({ id: "call-status", label: "State", choices: [["", "All"], ...Object.entries(WORDS)] });
  private readonly list: LongList<Call>;

  constructor() {
    this.list = new LongList<Call>({
      label: "Calls",
      columns: ["Began", "Number", "Way", "Talked", "State", ""],
      fetch: (page, perPage, signal) => calls(this.status.input.value, page, perPage, signal),
      cells: (call) => [
        timeTag(call.startedAt),
        call.phoneNumber,
        call.direction === "outbound" ? "Out" : "In",
        call.seconds === null ? "–" : duration(call.seconds),
        stateOf(call),
        RUNNING.has(call.status) ? sureButton("Hang up", "Hang up now?", call.phoneNumber, () => this.list.change(() => hangUp(call.id))) : "",
      ],
      href: (call) => (call.sessionId === null ? null : `/console/sessions/${call.sessionId}`),
      empty: () =>
        emptyState(
          "phone",
          this.status.input.value === "" ? "No calls yet" : "No such calls",
          "A call appears here the moment it rings: in by one of your numbers, or out by the button above.",
          linkButton("Give an agent a number", "/console/phone?tab=numbers"),
        ),
      lastPage: 100,
    });
    this.status.input.addEventListener("change", () => void this.list.reload());
    this.root = element("div", { class: "stack" }, element("div", { class: "filters" }, this.status.root), this.list.root);
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.list.start(signal);
    every(AGAIN_MS, signal, async () => {
      if (this.root.offsetParent !== null) await this.list.refresh(); // its tab is shown
    });
  }
}

function stateOf(call: Call): Node {
  const words = WORDS[call.status] ?? call.status;
  const state = call.status === "failed" ? "failed" : RUNNING.has(call.status) ? "active" : call.status === "ended" ? "" : "warning";
  const root = tag(words, state);
  const why = [call.reason, call.sipStatus === null ? null : `SIP ${call.sipStatus}`].filter((part) => part !== null && part !== "");
  if (why.length > 0) root.title = why.join(" · ");
  return root;
}
