/** Recordings: found by room, heard here, taken along, deleted for good. */

import { whenStill } from "../console/clock";
import { openDialog } from "../console/dialog";
import { emptyState } from "../console/empty";
import { field, select } from "../console/fields";
import { LongList } from "../console/long_list";
import { rowActions, rowButton, tag, timeTag } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { bytes, duration } from "../console/words";
import { element } from "../dom/element";
import { query } from "../platform/client";
import { type Recording, recordingLink, recordings, removeRecording } from "../platform/recordings";
import "./recordings.css";

class RecordingsPage implements View {
  readonly title = "Recordings";
  readonly root: HTMLElement;

  private readonly status: ReturnType<typeof select>;
  private readonly room: ReturnType<typeof field>;
  private readonly list: LongList<Recording>;
  private readonly player = element("section", { class: "panel section player", "aria-label": "Player", hidden: true });
  private readonly problem = new Problem();
  private signal = AbortSignal.abort();

  constructor(private readonly place: Place) {
    this.status = select({
      id: "status",
      label: "State",
      choices: [["", "All"], ["recording", "Running"], ["completed", "Complete"], ["error", "Failed"]],
      value: place.query.get("status") ?? "",
    });
    this.room = field({ id: "room", label: "Room", type: "search", attributes: { value: place.query.get("room") ?? "", autocomplete: "off" } });
    this.list = new LongList<Recording>({
      label: "Recordings",
      columns: ["Began", "Room", "Length", "Size", "State", ""],
      fetch: (page, perPage, signal) => recordings(this.filter(), page, perPage, signal),
      cells: (row) => [
        timeTag(row.startedAt),
        row.roomName,
        row.seconds === null ? "–" : duration(Math.round(row.seconds)),
        row.bytes === null ? "–" : `${bytes(row.bytes)} ${row.format.toUpperCase()}`,
        stateOf(row),
        this.actions(row),
      ],
      href: (row) => (row.sessionId === null ? null : `/console/sessions/${row.sessionId}`),
      empty: () =>
        emptyState(
          "record",
          this.status.input.value + this.room.input.value === "" ? "No recordings yet" : "No such recordings",
          "Switch recording on for an agent, or record a room by the API: POST /rooms/{room}/recordings/start.",
        ),
      lastPage: 100,
    });
    this.status.input.addEventListener("change", () => this.narrow());
    whenStill(this.room.input, () => this.narrow());
    this.root = pageRoot(
      pageHead("Recordings", "What was recorded, by agents' settings or by the API."),
      element("div", { class: "filters" }, this.status.root, this.room.root),
      this.problem.root,
      this.player,
      this.list.root,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await this.list.start(signal);
  }

  private filter(): { status: string; room: string } {
    return { status: this.status.input.value, room: this.room.input.value.trim() };
  }

  private narrow(): void {
    this.place.rename(this.place.path + query(this.filter()));
    void this.list.reload();
  }

  private actions(row: Recording): Node {
    if (row.status !== "completed") return document.createTextNode("");
    const what = `the recording of ${row.roomName}`;
    return rowActions(
      rowButton("Play", what, () => this.play(row)),
      rowButton("Delete", what, () => this.remove(row)),
    );
  }

  private async play(row: Recording): Promise<void> {
    this.problem.clear();
    try {
      const src = await recordingLink(row.id, this.signal);
      const media = element(row.format === "mp4" && row.channels === "" ? "video" : "audio", { class: "player__media", controls: true, autoplay: true, src });
      const take = element("a", { class: "button button--small", href: src, download: `${row.roomName}.${row.format}` }, "Download");
      this.player.hidden = false;
      this.player.replaceChildren(element("div", { class: "player__head" }, element("h2", {}, row.roomName), take), media);
    } catch (error) {
      if (!this.signal.aborted) this.problem.tell(wordsFor(error));
    }
  }

  private async remove(row: Recording): Promise<void> {
    const isDone = await openDialog({
      title: "Delete this recording?",
      body: [element("p", {}, `The file of ${row.roomName} is deleted for good. The transcript of the conversation stays.`)],
      act: "Delete for good",
      isDangerous: true,
      submit: () => removeRecording(row.id),
    });
    if (isDone) await this.list.reload();
  }
}

function stateOf(row: Recording): Node {
  if (row.status === "recording") return tag("Running", "active");
  if (row.status === "completed") return tag(row.consent === false ? "No consent" : "Complete", row.consent === false ? "warning" : "");
  const root = tag("Failed", "failed");
  root.title = row.error ?? "";
  return root;
}

export const open: Open = (place) => new RecordingsPage(place);
