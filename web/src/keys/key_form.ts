/** The fields of a new key: what it is for, what it may do, until when. */

import { field, select } from "../console/fields";
import { Refused } from "../console/problem";
import { element } from "../dom/element";
import { AREAS, type KeyWish } from "../platform/keys";
import type { Project } from "../platform/projects";

const DAY_MS = 86_400_000;

export interface NewKeyForm {
  readonly parts: readonly HTMLElement[];
  /** What was filled in. Throws `Refused` where areas are to be chosen and none is. */
  read(): KeyWish;
}

export function newKeyForm(projects: readonly Project[], projectId: number): NewKeyForm {
  const label = field({
    id: "label",
    label: "Label",
    hint: "Where it is used, so that you know it when you see it again.",
    attributes: { required: true, maxlength: "100", autocomplete: "off", placeholder: "Nightly report" },
  });
  const project = select({
    id: "project",
    label: "Project",
    choices: projects.map(({ id, name, slug }) => [String(id), `${name} (${slug})`] as const),
    value: String(projectId),
  });
  project.root.hidden = projects.length < 2;
  const may = select({
    id: "may",
    label: "It may",
    choices: [
      ["*", "do everything"],
      ["read", "read everything, change nothing"],
      ["areas", "use the areas I choose"],
    ],
  });
  const until = select({
    id: "until",
    label: "Until",
    choices: [
      ["", "it is revoked"],
      ["7", "a week from now"],
      ["30", "30 days from now"],
      ["90", "90 days from now"],
      ["365", "a year from now"],
    ],
  });
  const uses = AREAS.map((area) => {
    const use = select({ id: `area-${area}`, label: area, choices: [["", "–"], ["read", "read"], ["write", "read and write"]] });
    return { area, root: use.root, input: use.input };
  });
  const areas = element(
    "fieldset",
    { class: "areas", hidden: true },
    element("legend", { class: "visually-hidden" }, "Areas"),
    ...uses.map(({ root }) => root),
  );
  may.input.addEventListener("change", () => {
    areas.hidden = may.input.value !== "areas";
  });
  return {
    parts: [label.root, project.root, may.root, areas, until.root],
    read: () => {
      const chosen = uses.filter(({ input }) => input.value !== "").map(({ area, input }) => `${area}:${input.value}`);
      if (may.input.value === "areas" && chosen.length === 0) throw new Refused("Choose at least one area that the key opens.");
      const days = Number(until.input.value);
      return {
        label: label.input.value.trim(),
        ...(project.input.value === "" ? {} : { project_id: Number(project.input.value) }),
        scopes: may.input.value === "areas" ? chosen : [may.input.value],
        expires_at: days === 0 ? null : new Date(Date.now() + days * DAY_MS).toISOString(),
      };
    },
  };
}
