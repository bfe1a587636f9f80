/** How a meeting ends or does not begin, in words. */

import type { Ending } from "../call/ending";

export interface Outcome {
  readonly title: string;
  readonly words: string;
  readonly again: boolean;
}

export function outcomeOf(why: Ending | "denied"): Outcome {
  switch (why) {
    case "left":
      return { title: "You left the meeting", words: "", again: true };
    case "over":
      return { title: "The meeting is over", words: "It was ended for everybody.", again: false };
    case "removed":
      return { title: "You were removed", words: "A host has sent you away from this meeting.", again: false };
    case "denied":
      return { title: "You were not let in", words: "The host did not admit you to this meeting.", again: false };
    case "elsewhere":
      return { title: "You joined elsewhere", words: "This meeting goes on in another tab or on another device.", again: true };
    case "given_up":
      return { title: "The meeting could not go on", words: "Something failed on our side. Please try again later.", again: true };
    case "lost":
      return { title: "The connection was lost", words: "It did not come back. Check your network and join again.", again: true };
  }
}

/** Refusals of the socket. Null: the page as a whole is of no more use; see `finalOf`. */
export function problemOf(code: string, message: string): string {
  switch (code) {
    case "MEETING_LOCKED":
      return "The meeting is locked. Ask its host to unlock it.";
    case "MEETING_FULL":
      return "The meeting is full. Try again when somebody has left.";
    case "INVALID_TOKEN":
      return "This link has expired or is not complete. Ask for a new one.";
    case "INVALID_ADMIN_TOKEN":
      return "This is not the link of the meeting's host any more.";
    default:
      return `${message}.`;
  }
}

/** Refusals after which there is nothing to try. */
export function finalOf(code: string): Outcome | null {
  if (code === "MEETING_NOT_FOUND") return { title: "There is no such meeting", words: "Check the address: it ends in the meeting's id.", again: false };
  if (code === "MEETING_ENDED") return { title: "The meeting is over", words: "It has ended already.", again: false };
  return null;
}

export function durationOf(milliseconds: number): string {
  const minutes = Math.round(milliseconds / 60_000);
  if (minutes < 1) return "less than a minute";
  if (minutes < 60) return `${minutes} ${minutes === 1 ? "minute" : "minutes"}`;
  const hours = Math.floor(minutes / 60);
  return `${hours} h ${minutes % 60} min`;
}
