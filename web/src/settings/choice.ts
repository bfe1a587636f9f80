/** Which project is meant, where an account has several. */

import { select } from "../console/fields";
import type { Project } from "../platform/projects";

/** A choice of a project; null where there is nothing to choose. `chosen` hears of another one. */
export function projectChoice(id: string, projects: readonly Project[], current: number, chosen: (id: number) => void): HTMLElement | null {
  if (projects.length < 2) return null;
  const choice = select({
    id,
    label: "Project",
    choices: projects.map((project) => [String(project.id), `${project.name} (${project.slug})`] as const),
    value: String(current),
  });
  choice.root.classList.add("settings__choice");
  choice.input.addEventListener("change", () => chosen(Number(choice.input.value)));
  return choice.root;
}
