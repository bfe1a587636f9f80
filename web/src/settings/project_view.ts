/** A project: its name, and which pages may call the API. */

import { area, field, toggle } from "../console/fields";
import { sectionRoot } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { element, setText } from "../dom/element";
import { changeProject, type Project, projects } from "../platform/projects";
import { projectChoice } from "./choice";

export class ProjectView {
  readonly id = "project";
  readonly title = "Project";
  readonly root: HTMLElement;

  private readonly problem = new Problem();
  private readonly body = element("div", { class: "settings__body" });
  private all: Project[] = [];

  /** `current` is the project that is shown first. */
  constructor(private current: number) {
    const kept = element("a", { href: "/console/privacy" }, "Privacy");
    const hint = element("p", { class: "section__hint" }, "What is kept of conversations, and for how long, stands under ", kept, ".");
    this.root = sectionRoot(this.id, this.title, hint, this.problem.root, this.body);
  }

  async start(signal?: AbortSignal): Promise<void> {
    this.all = await projects(signal);
    this.draw();
  }

  private draw(): void {
    const project = this.all.find(({ id }) => id === this.current) ?? this.all[0];
    if (project === undefined) return;
    const choose = projectChoice("project-choice", this.all, project.id, (id) => {
      this.current = id;
      this.draw();
      this.body.querySelector("select")?.focus();
    });
    this.body.replaceChildren(...(choose === null ? [] : [choose]), this.form(project));
  }

  private form(project: Project): HTMLElement {
    const name = field({ id: "project-name", label: "Project name", attributes: { required: true, maxlength: "100", autocomplete: "off", value: project.name } });
    const slug = field({
      id: "slug",
      label: "Prefix of its rooms",
      hint: "LiveKit's rooms of this project begin with it. It never changes.",
      attributes: { readonly: true, value: project.slug },
    });
    const announce = toggle({
      id: "announce-recordings",
      label: "Announce recordings",
      hint: "Agents record nothing before people have heard that they do.",
      attributes: { checked: project.announceRecordings },
    });
    const origins = area({
      id: "origins",
      label: "Pages that may call the API",
      rows: 4,
      hint: "One origin a line, such as https://app.example.org; * is any page. Empty: pages of this server only.",
      attributes: { spellcheck: "false", autocapitalize: "none" },
    });
    origins.input.value = project.allowedOrigins.join("\n");
    const said = element("p", { class: "section__hint", role: "status" });
    const submit = element("button", { class: "button button--action", type: "submit" }, "Save project");
    const form = element("form", { class: "stack-form" }, name.root, slug.root, announce.root, origins.root, submit, said);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const change = {
        name: name.input.value.trim(),
          announce_recordings: announce.input.checked,
        allowed_origins: origins.input.value.split(/\s+/).filter((line) => line !== ""),
      };
      submit.disabled = true;
      setText(said, "");
      this.problem.clear();
      changeProject(project.id, change)
        .then(
          (saved) => {
            this.all = this.all.map((each) => (each.id === saved.id ? saved : each));
            origins.input.value = saved.allowedOrigins.join("\n");
            setText(said, "Saved.");
          },
          (error: unknown) => this.problem.tell(wordsFor(error)),
        )
        .finally(() => {
          submit.disabled = false;
        });
    });
    return form;
  }
}
