/** What a document is refused for, and what mends it. */

import { wordsFor } from "../console/problem";
import { ApiError } from "../platform/api";

export const LARGEST = 10 * 1024 * 1024;
export const ENDINGS: readonly string[] = [".txt", ".md", ".csv", ".json", ".html", ".pdf", ".docx"];

const MENDS: Readonly<Record<string, string>> = {
  empty: "There is no text in it. A scan is a picture: have its text recognised first.",
  too_large: "It is over 10 MB, or 40 MB once read. Split it and upload the parts.",
  too_many_chunks: "It makes more than 50,000 passages. Split it, or use a base with longer passages.",
  unsupported_type: `Files of this kind are not read. Save it as one of ${ENDINGS.join(" ")}`,
  content_mismatch: "What is inside does not fit the ending of its name. Name it after what it is, or export it anew.",
  bad_name: "Its name has no letters. Rename it: the name is what answers quote.",
  not_utf8: "Its text is not UTF-8. Save it again with the encoding UTF-8.",
  forbidden_character: "It holds control characters. Open it in an editor and save it as plain text.",
  malformed: "It has an error inside and cannot be read. Open it in its own program, and save or export it anew.",
  too_deep: "It is nested too deep. Flatten it, or save what matters as text.",
  too_hard: "It takes too much time or memory to read. Split it, or save it as text.",
  encrypted: "Only a password opens it. Save a copy without one.",
};

/** Why a file was not taken, with the mend. */
export function refusalWords(error: unknown): string {
  if (!(error instanceof ApiError)) return "The server did not answer. Check your connection and try again.";
  const code = error.fields[0]?.code;
  const mend = code === undefined ? undefined : MENDS[code];
  if (mend !== undefined) return mend;
  if (error.status === 413) return MENDS["too_large"] ?? "";
  if (error.status === 503) return "Too many documents wait already. Try again in half a minute.";
  return wordsFor(error);
}

/** What can be said of a file before it is sent; null: nothing against it. */
export function objectionTo(file: { name: string; size: number }): string | null {
  if (file.size === 0) return "It is empty.";
  if (file.size > LARGEST) return MENDS["too_large"] ?? "";
  const name = file.name.toLowerCase();
  if (!ENDINGS.some((ending) => name.endsWith(ending))) return MENDS["unsupported_type"] ?? "";
  return null;
}
