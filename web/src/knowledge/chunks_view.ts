/** All passages of a base, as searches see them. */

import { emptyState } from "../console/empty";
import { select } from "../console/fields";
import { LongList } from "../console/long_list";
import { tag } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { element } from "../dom/element";
import { type Chunk, chunks } from "../platform/knowledge";
import { openChunk } from "./chunk_dialog";
import type { PageTab } from "../console/tabs";
import type { BaseContext } from "./context";

export class ChunksView implements PageTab {
  readonly id = "passages";
  readonly title = "Passages";
  readonly root: HTMLElement;

  private readonly state = select({
    id: "chunk-state",
    label: "State",
    choices: [
      ["", "All"],
      ["true", "Can be found"],
      ["false", "Switched off"],
    ],
  });
  private readonly problem = new Problem();
  private readonly list: LongList<Chunk>;

  constructor(private readonly context: BaseContext) {
    this.list = new LongList<Chunk>({
      label: "Passages",
      columns: ["Text", "Document", "State"],
      fetch: (page, perPage, signal) => {
        const wanted = this.state.input.value;
        return chunks(context.id, wanted === "" ? null : wanted === "true", page, perPage, signal);
      },
      cells: (row) => [row.content, `${row.source} · ${row.index + 1}`, row.isActive ? tag("Found", "active") : tag("Switched off")],
      pick: (row) => void this.open(row.id),
      empty: () =>
        this.state.input.value === ""
          ? emptyState("lines", "No passages yet", "A document is cut into passages when it is uploaded. Each can be read, mended and switched off here.")
          : emptyState("lines", "None of this kind", "No passage is in the state you chose above."),
    });
    this.state.input.addEventListener("change", () => void this.list.reload());
    this.root = element(
      "div",
      { class: "stack base-passages" },
      this.problem.root,
      element("div", { class: "filters" }, this.state.root),
      this.list.root,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.list.start(signal);
  }

  async refresh(): Promise<void> {
    await this.list.refresh();
  }

  private async open(id: number): Promise<void> {
    this.problem.clear();
    try {
      if (await openChunk(this.context.id, id)) await Promise.all([this.list.refresh(), this.context.reread()]);
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }
}
