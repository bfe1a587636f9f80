/** What can be seen of a meeting from outside, without a key. */

import { finalOf, type Outcome } from "./problems";

export interface Outside {
  readonly title: string;
  readonly controls: Readonly<Record<string, unknown>>;
}

/** A server that does not answer keeps nobody from trying: joining says the same again, in words. */
export async function look(code: string): Promise<Outside | { readonly outcome: Outcome }> {
  const answer = await fetch(`/api/v1/join/${encodeURIComponent(code)}`).catch(() => null);
  if (answer?.status === 404) return { outcome: finalOf("MEETING_NOT_FOUND") as Outcome };
  if (!answer?.ok) return { title: "", controls: {} };
  const { meeting, controls } = (await answer.json()) as { meeting: { title: string; status: string }; controls: Outside["controls"] };
  if (meeting.status === "completed" || meeting.status === "failed") return { outcome: finalOf("MEETING_ENDED") as Outcome };
  return { title: meeting.title, controls };
}
