/** All knowledge bases of the project, and a new one. */

import "./knowledge.css";
import { openDialog } from "../console/dialog";
import { emptyState } from "../console/empty";
import { area, field } from "../console/fields";
import { tag, timeTag } from "../console/section";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { counted } from "../console/words";
import { element } from "../dom/element";
import { ApiError } from "../platform/api";
import { type Base, bases, createBase } from "../platform/knowledge";
import { stateTag } from "./state";

class KnowledgePage implements View {
  readonly title = "Knowledge";
  readonly root: HTMLElement;

  private readonly list = element("div", { class: "base-cards-place" });

  constructor(private readonly place: Place) {
    this.root = pageRoot(
      pageHead("Knowledge", "What agents may say of your business: documents, how well they answer, and what callers asked in vain.", this.creator()),
      this.list,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    const rows = await bases(signal);
    if (rows.length === 0) {
      const words = "A knowledge base holds documents: price lists, manuals, questions and answers. Agents look them up while a caller speaks, and say where an answer is from.";
      this.list.replaceChildren(element("div", { class: "panel" }, emptyState("book", "No knowledge yet", words, this.creator())));
      return;
    }
    this.list.replaceChildren(element("ul", { class: "base-cards", "aria-label": "Knowledge bases" }, ...rows.map(card)));
  }

  private creator(): HTMLButtonElement {
    const button = element("button", { class: "button button--action button--small", type: "button" }, "New knowledge base");
    button.addEventListener("click", () => void this.create());
    return button;
  }

  private async create(): Promise<void> {
    const name = field({ id: "new-base-name", label: "Name", attributes: { required: true, maxlength: "200", autocomplete: "off" } });
    const about = area({ id: "new-base-description", label: "Description", rows: 2, attributes: { maxlength: "2000" } });
    const size = field({ id: "new-base-size", label: "Longest passage (characters)", type: "number", hint: "Short ones are found more precisely, long ones say more. It cannot be changed later.", attributes: { min: "50", max: "4000", value: "500" } });
    const overlap = field({ id: "new-base-overlap", label: "Shared with the next (characters)", type: "number", attributes: { min: "0", max: "1000", value: "50" } });
    const all = { name, description: about, chunk_size: size, chunk_overlap: overlap };
    let made: Base | null = null;
    await openDialog({
      title: "New knowledge base",
      body: [name.root, about.root, element("div", { class: "base-beside" }, size.root, overlap.root)],
      act: "Create",
      submit: async () => {
        for (const each of Object.values(all)) each.refuse("");
        try {
          made = await createBase({
            name: name.input.value.trim(),
            description: about.input.value.trim(),
            chunk_size: Number(size.input.value),
            chunk_overlap: Number(overlap.input.value),
          });
        } catch (error) {
          for (const { field: wrong, problem } of error instanceof ApiError ? error.fields : []) all[wrong as keyof typeof all]?.refuse(problem);
          throw error;
        }
      },
    });
    if (made !== null) this.place.go(`/console/knowledge/${(made as Base).id}`);
  }
}

function card(base: Base): HTMLElement {
  return element(
    "li",
    { class: "base-card panel" },
    element("h2", { class: "base-card__name" }, element("a", { class: "base-card__link", href: `/console/knowledge/${base.id}` }, base.name)),
    element("p", { class: "base-card__about" }, base.description || "No description"),
    element(
      "p",
      { class: "base-card__facts" },
      stateTag(base),
      tag(counted(base.chunks, "passage")),
      base.indexedAt === null ? null : element("span", { class: "field__hint" }, "indexed ", timeTag(base.indexedAt)),
    ),
  );
}

export const open: Open = (place) => new KnowledgePage(place);
