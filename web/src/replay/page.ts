/** `/console/sessions/:id`. */

import type { Open } from "../console/view";
import { replayOf } from "../platform/replay";
import { ReplayView } from "./view";

export const open: Open = (place) => {
  const sessionId = Number(place.params["id"]);
  return new ReplayView({ sessionId, fetch: (signal) => replayOf(sessionId, signal) });
};
