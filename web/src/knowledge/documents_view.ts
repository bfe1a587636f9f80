/** The documents of a base: what is in it, and how more gets in. */

import { openDialog } from "../console/dialog";
import { emptyState } from "../console/empty";
import { area, field } from "../console/fields";
import { sureButton, table, tag } from "../console/section";
import { Problem, wordsFor } from "../console/shell";
import { count } from "../console/words";
import { element, setText } from "../dom/element";
import { type Base, chunks, deleteChunk, ingestText } from "../platform/knowledge";
import type { BaseContext, BaseTab } from "./context";
import { type Document, documents } from "./documents";
import { refusalWords } from "./mends";
import { UploadsView } from "./uploads_view";

export class DocumentsView implements BaseTab {
  readonly id = "documents";
  readonly title = "Documents";
  readonly root: HTMLElement;
  readonly uploads: UploadsView;

  private readonly problem = new Problem();
  private readonly list = element("div", { class: "base-documents" });
  private readonly progress = element("p", { class: "section__hint", role: "status" });
  private signal: AbortSignal | null = null;
  private round = 0;

  constructor(
    private readonly context: BaseContext,
    changed: (base: Base) => void,
  ) {
    this.uploads = new UploadsView(context.id, (base) => {
      changed(base);
      void this.refresh();
    });
    const write = element("button", { class: "button button--small", type: "button" }, "Write a text");
    write.addEventListener("click", () => void this.write());
    this.root = element(
      "div",
      { class: "stack" },
      this.uploads.root,
      element(
        "section",
        { class: "panel section", "aria-labelledby": "documents-title" },
        element("div", { class: "base-head" }, element("h2", { id: "documents-title" }, "Documents"), write),
        this.problem.root,
        this.progress,
        this.list,
      ),
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    this.uploads.start(signal);
    await this.refresh();
  }

  async refresh(): Promise<void> {
    const { signal } = this;
    if (signal === null) return;
    this.round += 1;
    const { round } = this;
    try {
      const { found, isWhole } = await documents(this.context.id, signal);
      if (round !== this.round) return;
      this.context.namesFound(found.map(({ name }) => name));
      if (!isWhole) setText(this.progress, "This base is large: the documents of its first 6,000 passages are listed. All passages are under Passages.");
      this.draw(found);
      this.problem.clear();
    } catch (error) {
      if (!signal.aborted) this.problem.tell(wordsFor(error));
    }
  }

  private draw(found: readonly Document[]): void {
    if (found.length === 0) {
      const words = "Drop a price list, a manual, questions and answers. Each is cut into passages, which agents look up while a caller speaks.";
      this.list.replaceChildren(emptyState("book", "Nothing in it yet", words));
      return;
    }
    const rows = found.map((document) => [
      document.name,
      count(document.passages),
      document.off === 0 ? tag("Found", "active") : document.off === document.passages ? tag("Switched off") : tag(`${count(document.off)} switched off`, "warning"),
      sureButton("Delete", "Delete for good?", document.name, () => this.remove(document)),
    ]);
    this.list.replaceChildren(table("Documents", ["Name", "Passages", "State", ""], rows, ""));
  }

  /** Passage by passage, as the API has it; it can be begun again where it was broken off. */
  private async remove(document: Document): Promise<void> {
    try {
      let gone = 0;
      for (const id of await this.passagesOf(document.name)) {
        setText(this.progress, `Deleting ${document.name}: ${count((gone += 1))} of ${count(document.passages)} passages`);
        await deleteChunk(this.context.id, id);
      }
      await Promise.all([this.refresh(), this.context.reread()]);
      setText(this.progress, `${document.name} is deleted`);
    } catch (error) {
      this.problem.tell(wordsFor(error));
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
