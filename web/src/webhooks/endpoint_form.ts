/** The fields of an endpoint: where to, what for, and which events. */

import { field, select } from "../console/fields";
import { Refused } from "../console/problem";
import { element } from "../dom/element";
import type { Endpoint, EndpointWish } from "../platform/webhooks";
import { byArea } from "./events";

export interface EndpointForm {
  readonly parts: readonly HTMLElement[];
  /** What was filled in. Throws `Refused` where events are to be chosen and none is. */
  read(): EndpointWish;
}

/** Filled with what an endpoint has, if one is given. */
export function endpointForm(known: Endpoint | null): EndpointForm {
  const url = field({
    id: "url",
    label: "Address",
    type: "url",
    hint: "http or https. Answer 2xx within 15 seconds.",
    attributes: { required: true, maxlength: "2000", placeholder: "https://example.com/hook", autocomplete: "off", value: known?.url ?? "" },
  });
  const description = field({
    id: "description",
    label: "Description",
    hint: "Optional: what it is for.",
    attributes: { maxlength: "500", autocomplete: "off", value: known?.description ?? "" },
  });
  const which = select({
    id: "which",
    label: "Events",
    choices: [
      ["usual", "The usual ones: rooms, sessions, recordings, calls, knowledge"],
      ["chosen", "Those I choose"],
    ],
    value: (known?.events ?? null) === null ? "usual" : "chosen",
  });
  const boxes: HTMLInputElement[] = [];
  const choices = element(
    "div",
    { class: "event-choice" },
    ...byArea().map(([area, names]) =>
      element(
        "fieldset",
        { class: "choices" },
        element("legend", { class: "field__label" }, area),
        ...names.map((name) => {
          const box = element("input", { type: "checkbox", id: `event-${name}`, value: name, checked: known?.events?.includes(name) ?? false });
          boxes.push(box);
          return element("label", { class: "choice", for: box.id }, box, name);
        }),
      ),
    ),
  );
  const fold = (): void => {
    choices.hidden = which.input.value !== "chosen";
  };
  which.input.addEventListener("change", fold);
  fold();
  return {
    parts: [url.root, description.root, which.root, choices],
    read: () => {
      const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
      if (which.input.value === "chosen" && chosen.length === 0) throw new Refused("Choose at least one event, or take the usual ones.");
      return {
        url: url.input.value.trim(),
        description: description.input.value.trim(),
        events: which.input.value === "chosen" ? chosen : null,
      };
    },
  };
}
