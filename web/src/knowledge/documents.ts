/** The documents of a base, put together from its passages, which are listed in their order. */

import { type Chunk, chunks } from "../platform/knowledge";

export interface Document {
  name: string;
  passages: number;
  /** Passages that no search finds. */
  off: number;
  firstId: number;
}

const PER_PAGE = 100;
/** More is not read for a list of names: a base so large is looked at by its passages. */
const MOST_PAGES = 60;

/** All documents, and whether those are all passages there are; `told` hears what is known so far. */
export async function documents(base: number, signal: AbortSignal, told: (found: Document[]) => void = () => undefined): Promise<{ found: Document[]; isWhole: boolean }> {
  const found: Document[] = [];
  let pages = 1;
  for (let page = 1; page <= Math.min(pages, MOST_PAGES); page += 1) {
    const { rows, totalPages } = await chunks(base, null, page, PER_PAGE, signal);
    pages = totalPages;
    gather(found, rows);
    told(found);
  }
  return { found, isWhole: pages <= MOST_PAGES };
}

/** Adds passages, in their order, to the documents they belong to. */
export function gather(found: Document[], rows: readonly Chunk[]): void {
  for (const { id, source, isActive } of rows) {
    let document = found.find(({ name }) => name === source);
    if (document === undefined) found.push((document = { name: source, passages: 0, off: 0, firstId: id }));
    document.passages += 1;
    if (!isActive) document.off += 1;
  }
}
