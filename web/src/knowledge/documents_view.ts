/** The documents of a base: what is in it, and how more gets in. */

import { openDialog } from "../console/dialog";
import { emptyState } from "../console/empty";
import { area, field } from "../console/fields";
import { LongList } from "../console/long_list";
import { tag, timeTag } from "../console/section";
import { bytes, count, counted } from "../console/words";
import { element, setText } from "../dom/element";
import { type Base, chunks, deleteChunk, type Document, documents, ingestText } from "../platform/knowledge";
import type { PageTab } from "../console/tabs";
import type { BaseContext } from "./context";
import { refusalWords } from "./mends";
import { UploadsView } from "./uploads_view";

export class DocumentsView implements PageTab {
  readonly id = "documents";
  readonly title = "Documents";
  readonly root: HTMLElement;
  readonly uploads: UploadsView;

  private readonly list: LongList<Document>;
  private readonly said = element("p", { class: "section__hint", role: "status" });
  private signal: AbortSignal | null = null;

  constructor(
    private readonly context: BaseContext,
    changed: (base: Base) => void,
  ) {
    this.uploads = new UploadsView(context.id, (base) => {
      changed(base);
      void this.refresh();
    });
    this.list = new LongList<Document>({
      label: "Documents",
      columns: ["Name", "Passages", "Length", "Added", "State"],
      fetch: (page, perPage, signal) => documents(context.id, page, perPage, signal),
      cells: (row) => [
        row.name || "Text without a name",
        row.isReady ? count(row.passages) : "–",
        row.isReady ? `${count(row.size)} characters` : bytes(row.size),
        timeTag(row.addedAt),
        row.isReady ? tag("Ready", "active") : tag("Indexing", "warning"),
      ],
      pick: (row) => void this.open(row),
      empty: () => emptyState("book", "Nothing in it yet", "Drop a price list, a manual, questions and answers. Each is cut into passages, which agents look up while a caller speaks."),
    });
    const write = element("button", { class: "button button--small", type: "button" }, "Write a text");
    write.addEventListener("click", () => void this.write());
    this.root = element(
      "div",
      { class: "stack" },
      this.uploads.root,
      element("div", { class: "base-head" }, element("h2", {}, "Documents"), write),
      this.said,
      element("div", { class: "base-documents" }, this.list.root),
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    this.uploads.start(signal);
    await this.list.start(signal);
  }

  async refresh(): Promise<void> {
    if (this.signal !== null) await this.list.refresh();
  }

  private async open(document: Document): Promise<void> {
    if (!document.isReady) {
      setText(this.said, `${document.name || "A text"} waits to be ingested, and can be deleted then.`);
      return;
    }
    const progress = element("p", { class: "field__hint", role: "status" });
    const words = `${counted(document.passages, "passage")}, ${count(document.size)} characters. Deleted, no agent finds any of it; to change it, upload it again by the same name.`;
    const isDone = await openDialog({
      title: document.name,
      body: [element("p", { class: "section__hint" }, words), progress],
      act: "Delete for good",
      isDangerous: true,
      submit: () => this.remove(document, progress),
    });
    if (isDone) setText(this.said, `${document.name} is deleted`);
    if (isDone || progress.textContent !== "") await Promise.all([this.refresh(), this.context.reread()]);
  }

  /** Passage by passage, as the API has it; it can be begun again where it was broken off. */
  private async remove(document: Document, progress: HTMLElement): Promise<void> {
    let gone = 0;
    for (const id of await this.passagesOf(document.name)) {
      await deleteChunk(this.context.id, id);
      setText(progress, `${count((gone += 1))} of ${count(document.passages)} passages are deleted`);
    }
  }

  private async passagesOf(name: string): Promise<number[]> {
    const { id } = this.context;
    const all: number[] = [];
    for (let page = 1, pages = 1; page <= pages; page += 1) {
      const found = await chunks(id, null, page, 100, this.signal ?? undefined);
      pages = found.totalPages;
      all.push(...found.rows.filter(({ source }) => source === name).map((row) => row.id));
    }
    return all;
  }

  private async write(): Promise<void> {
    if (await writeText(this.context.id)) await Promise.all([this.refresh(), this.context.reread()]);
  }
}

/** Asks for a text and takes it as a document. Whether it was taken. */
export function writeText(base: number, name = "", content = "", hint = ""): Promise<boolean> {
  const title = field({ id: "text-name", label: "Name", hint: "What answers quote. The same name again takes the place of the earlier text.", attributes: { required: true, maxlength: "200", autocomplete: "off" } });
  const text = area({ id: "text-content", label: "Text", rows: 10, hint: hint || "Headings and short paragraphs make good passages.", attributes: { required: true } });
  title.input.value = name;
  text.input.value = content;
  return openDialog({
    title: "Write a text",
    body: [title.root, text.root],
    act: "Add",
    submit: async () => {
      text.refuse("");
      try {
        await ingestText(base, text.input.value, title.input.value.trim());
      } catch (error) {
        text.refuse(refusalWords(error));
        throw error;
      }
    },
  });
}
