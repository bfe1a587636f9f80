/** Why somebody is in a room no more, as LiveKit tells it. */

import { DisconnectReason } from "livekit-client";

/** Given up: nobody was left to go on with it, and the page has said so. */
export type Ending = "left" | "over" | "removed" | "elsewhere" | "lost" | "given_up";

export function endingOf(reason: DisconnectReason | undefined): Ending {
  switch (reason) {
    case DisconnectReason.CLIENT_INITIATED:
      return "left";
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return "over";
    case DisconnectReason.PARTICIPANT_REMOVED:
      return "removed";
    case DisconnectReason.DUPLICATE_IDENTITY:
      return "elsewhere";
    default:
      return "lost";
  }
}
