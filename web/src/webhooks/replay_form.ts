/** Asks which part of the log is to be sent again. */

import { field, select } from "../console/fields";
import { Refused } from "../console/problem";
import type { Range } from "../platform/webhooks";

/** A moment as the control of the browser wants it: in the reader's zone, to the minute. */
function localMinute(at: Date): string {
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function replayForm(now = new Date()): { readonly parts: readonly HTMLElement[]; read(): Range } {
  const by = select({
    id: "by",
    label: "Begin",
    choices: [
      ["time", "At a time"],
      ["event", "After an event"],
    ],
  });
  const from = field({
    id: "from",
    label: "From",
    type: "datetime-local",
    attributes: { value: localMinute(new Date(now.getTime() - 3_600_000)) },
  });
  const after = field({
    id: "after",
    label: "After event",
    type: "number",
    hint: "The number in the header webhook-id. 0: from the first.",
    attributes: { min: "0", inputmode: "numeric" },
  });
  const to = field({ id: "to", label: "To", type: "datetime-local", hint: "Empty: to the end of the log." });
  const fold = (): void => {
    from.root.hidden = by.input.value !== "time";
    after.root.hidden = by.input.value !== "event";
  };
  by.input.addEventListener("change", fold);
  fold();
  return {
    parts: [by.root, from.root, after.root, to.root],
    read: () => {
      const isByTime = by.input.value === "time";
      const beginning = isByTime ? from.input.value : after.input.value;
      if (beginning === "") throw new Refused(isByTime ? "Say from which time on." : "Say after which event.");
      return {
        afterId: isByTime ? null : Number(beginning),
        from: isByTime ? new Date(beginning).toISOString() : null,
        to: to.input.value === "" ? null : new Date(to.input.value).toISOString(),
      };
    },
  };
}
