/** One passage: read, edited, taken out of search, deleted. */

import { openDialog } from "../console/dialog";
import { area, toggle } from "../console/fields";
import { sureButton } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { count } from "../console/words";
import { element, setText } from "../dom/element";
import { changeChunk, chunk, deleteChunk } from "../platform/knowledge";

const LONGEST = 8_000;

/** Shows a passage with its whole text; whether it was changed or deleted. */
export async function openChunk(base: number, id: number): Promise<boolean> {
  const found = await chunk(base, id);
  let isDeleted = false;
  const text = area({ id: "chunk-text", label: "Text", rows: 12, hint: "When it is kept, it is embedded anew.", attributes: { required: true, maxlength: String(LONGEST) } });
  const active = toggle({ id: "chunk-active", label: "Can be found", hint: "Off: it stays in the list, and no search finds it." });
  const length = element("p", { class: "field__hint" });
  const problem = new Problem();
  const measure = (): void => setText(length, `${found.source}, passage ${found.index + 1} · ${count(text.input.value.length)} characters`);
  text.input.value = found.content;
  text.input.addEventListener("input", measure);
  active.input.checked = found.isActive;
  measure();
  const remove = sureButton("Delete", "Delete for good?", "this passage", async () => {
    try {
      await deleteChunk(base, id);
      isDeleted = true;
      remove.closest("dialog")?.close();
    } catch (error) {
      problem.tell(wordsFor(error));
    }
  });
  const isChanged = await openDialog({
    title: "Passage",
    body: [length, text.root, active.root, problem.root, element("div", {}, remove)],
    act: "Keep",
    submit: () => changeChunk(base, id, text.input.value, active.input.checked),
  });
  return isChanged || isDeleted;
}
