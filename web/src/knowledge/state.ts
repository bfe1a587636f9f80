/** How far a knowledge base is, as a tag. */

import { tag } from "../console/section";
import type { Base } from "../platform/knowledge";

/** How far a base is, in a word. */
export function stateTag({ status, progress }: Base): HTMLElement {
  switch (status) {
    case "ready":
      return tag("Ready", "active");
    case "indexing":
      return tag(`Indexing: ${progress} %`, "warning");
    case "error":
      return tag("Not indexed", "failed");
    default:
      return tag("Empty");
  }
}
