/** The form of a golden question: what is asked, and where its answer is. */

import { openDialog } from "../console/dialog";
import { area, field } from "../console/fields";
import { wordsFor } from "../console/problem";
import { element } from "../dom/element";
import { documents, type Golden, goldenQuestions, setGoldenQuestions } from "../platform/knowledge";

/** Of the documents, that are offered: the newest. Any other one's name can be typed. */
const OFFERED = 100;

/** Asks for a golden question and keeps it; `replaces` is the one it takes the place of. Whether it was kept. */
export function editGolden(base: number, given: Golden, replaces: Golden | null = null): Promise<boolean> {
  const question = area({ id: "golden-question", label: "Question", rows: 2, hint: "As a caller would ask it.", attributes: { required: true, maxlength: "2000" } });
  const source = field({ id: "golden-source", label: "Document that answers it", attributes: { required: true, maxlength: "200", list: "golden-documents", autocomplete: "off" } });
  const contains = field({ id: "golden-contains", label: "Words of the answer", hint: "Where the document alone says too little. Empty: any of its passages counts.", attributes: { maxlength: "2000" } });
  question.input.value = given.question;
  source.input.value = given.source;
  contains.input.value = given.contains;
  const listed = element("datalist", { id: "golden-documents" });
  void offer(base, listed).catch((error: unknown) => source.refuse(`Its documents cannot be offered: ${wordsFor(error)}`));
  return openDialog({
    title: replaces === null ? "New golden question" : "Golden question",
    body: [question.root, source.root, contains.root, listed],
    act: "Keep",
    submit: async () => {
      const kept = { question: question.input.value.trim(), source: source.input.value.trim(), contains: contains.input.value.trim() };
      // Read anew: somebody else may have changed them since this page was opened.
      const all = await goldenQuestions(base);
      const place = replaces === null ? -1 : all.findIndex((each) => isSame(each, replaces));
      await setGoldenQuestions(base, place < 0 ? [...all, kept] : all.with(place, kept));
    },
  });
}

async function offer(base: number, listed: HTMLElement): Promise<void> {
  const { rows } = await documents(base, 1, OFFERED);
  listed.replaceChildren(...rows.filter(({ name }) => name !== "").map(({ name }) => element("option", { value: name })));
}

/** Takes one of the golden questions away. */
export async function removeGolden(base: number, gone: Golden): Promise<void> {
  const all = await goldenQuestions(base);
  await setGoldenQuestions(base, all.filter((each) => !isSame(each, gone)));
}

function isSame(a: Golden, b: Golden): boolean {
  return a.question === b.question && a.source === b.source && a.contains === b.contains;
}
