/** The meetings of scenarios, newest first. */

import { openDialog } from "../console/dialog";
import { emptyState, linkButton } from "../console/empty";
import { field, select } from "../console/fields";
import { LongList } from "../console/long_list";
import { sureButton, tag, timeTag } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import type { Place } from "../console/view";
import { duration } from "../console/words";
import { element } from "../dom/element";
import { endMeeting, makeMeeting, type Meeting, meetings, type Scenario, scenarios } from "../platform/meetings";

const STATES: Record<string, readonly [string, string]> = {
  scheduled: ["Waits for somebody", "warning"],
  active: ["Running", "active"],
  completed: ["Ended", ""],
  failed: ["Failed", "failed"],
};

export class MeetingsView {
  readonly id = "meetings";
  readonly title = "Meetings";
  readonly root: HTMLElement;

  private readonly status = select({
    id: "meeting-status",
    label: "State",
    choices: [["", "All"], ...Object.entries(STATES).map(([state, [words]]) => [state, words] as const)],
  });
  private readonly list: LongList<Meeting>;
  private readonly problem = new Problem();
  private known: Scenario[] = [];

  constructor(place: Place) {
    this.list = new LongList<Meeting>({
      label: "Meetings",
      columns: ["Made", "With", "Scenario", "Length", "State", ""],
      fetch: (page, perPage, signal) => meetings({ status: this.status.input.value, scenarioId: "" }, page, perPage, signal),
      cells: (meeting) => [
        timeTag(meeting.createdAt),
        meeting.name,
        this.known.find(({ id }) => id === meeting.scenarioId)?.name ?? `Scenario ${meeting.scenarioId}`,
        lengthOf(meeting),
        tag(...(STATES[meeting.status] ?? [meeting.status, ""])),
        meeting.endedAt === null ? sureButton("End", "End it now?", `the meeting with ${meeting.name}`, () => this.list.change(() => endMeeting(meeting.id))) : "",
      ],
      href: (meeting) => (meeting.sessionId === null ? `/join/${meeting.code}` : `/console/sessions/${meeting.sessionId}`),
      empty: () =>
        emptyState(
          "people",
          this.status.input.value === "" ? "No meetings yet" : "No such meetings",
          "Make a scenario first: who the agent is and what it wants to reach. Then make a meeting and send its link.",
          linkButton("Scenarios", "/console/meetings?tab=scenarios"),
        ),
      lastPage: 100,
    });
    this.status.input.addEventListener("change", () => void this.list.reload());
    const make = element("button", { class: "button button--action button--small", type: "button" }, "Make a meeting");
    make.addEventListener("click", () => void this.make(place));
    this.root = element("div", { class: "stack" }, element("div", { class: "filters" }, this.status.root, make), this.problem.root, this.list.root);
  }

  async start(signal: AbortSignal): Promise<void> {
    this.known = await scenarios(signal);
    await this.list.start(signal);
  }

  private async make(place: Place): Promise<void> {
    this.problem.clear();
    try {
      this.known = await scenarios();
    } catch (error) {
      this.problem.tell(wordsFor(error));
      return;
    }
    if (this.known.length === 0) {
      place.go("/console/meetings?tab=scenarios");
      return;
    }
    const scenario = select({ id: "meeting-scenario", label: "Scenario", choices: this.known.map(({ id, name }) => [String(id), name]) });
    const name = field({ id: "meeting-name", label: "Who comes", hint: "The agent calls them that.", attributes: { required: true, maxlength: "200" } });
    let link = "";
    const isDone = await openDialog({
      title: "Make a meeting",
      body: [scenario.root, name.root],
      act: "Make",
      submit: async () => {
        link = await makeMeeting(Number(scenario.input.value), name.input.value.trim());
      },
    });
    if (!isDone) return;
    await this.list.reload();
    open(link, "_blank", "noopener");
  }
}

function lengthOf({ startedAt, endedAt }: Meeting): string {
  if (startedAt === null || endedAt === null) return "–";
  return duration(Math.round((Date.parse(endedAt) - Date.parse(startedAt)) / 1000));
}
