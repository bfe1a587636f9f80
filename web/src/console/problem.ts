/** What went wrong, in words for people, and where they stand. */

import { element } from "../dom/element";
import { icon } from "../dom/icons";
import { ApiError } from "../platform/api";

/** What a page refuses by itself, before it asks the server; its message is for people. */
export class Refused extends Error {
  override readonly name = "Refused";
}

/** What went wrong, for people. */
export function wordsFor(error: unknown): string {
  if (error instanceof Refused) return error.message;
  if (!(error instanceof ApiError)) return "The server does not answer. Try again in a moment.";
  if (error.status === 429 && error.retryAfterSeconds !== null) {
    return `Too many tries. Wait ${error.retryAfterSeconds} seconds and try again.`;
  }
  if (error.fields.length > 0) return error.fields.map(({ field, problem }) => `${fieldWords(field)} ${problem}.`).join(" ");
  return error.message.replace(/^Invalid request: /, "Not accepted: ");
}

/** `phone_number` as “Phone number”. */
function fieldWords(field: string): string {
  const words = field.replaceAll("_", " ").replaceAll(".", " › ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Something that should not be overlooked: how it went, and below it why, and what mends it. */
export function notice(kind: "good" | "plain" | "danger", title: string, ...more: (Node | null)[]): HTMLElement {
  return element(
    "div",
    { class: kind === "plain" ? "notice" : `notice notice--${kind}` },
    icon(kind === "good" ? "check" : "alert", 20),
    element("p", { class: "notice__title" }, title),
    ...more,
  );
}

/** What mends it, below a notice's title. */
export function mend(words: string): HTMLElement {
  return element("p", { class: "notice__mend" }, words);
}

/** A place for what went wrong; screen readers are told when it fills. */
export class Problem {
  readonly root = element("div", { class: "problem", role: "alert" });

  tell(words: string, ...more: (Node | null)[]): void {
    this.root.replaceChildren(notice("danger", words, ...more));
  }

  clear(): void {
    this.root.replaceChildren();
  }
}
