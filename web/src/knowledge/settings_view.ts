/** A base's name, how it is cut, its index, and its end. */

import { area, field } from "../console/fields";
import { facts, sureButton } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { count } from "../console/words";
import { element, setText } from "../dom/element";
import { type Base, base, changeBase, deleteBase, reindex } from "../platform/knowledge";
import { ApiError } from "../platform/api";
import type { PageTab } from "../console/tabs";
import type { BaseContext } from "./context";

const LOOK_EVERY_MS = 1_000;

export class SettingsView implements PageTab {
  readonly id = "settings";
  readonly title = "Settings";
  readonly root: HTMLElement;

  private readonly name = field({ id: "base-name", label: "Name", attributes: { required: true, maxlength: "200", autocomplete: "off" } });
  private readonly description = area({ id: "base-description", label: "Description", rows: 3, hint: "For you and your colleagues.", attributes: { maxlength: "2000" } });
  private readonly save = element("button", { class: "button button--action button--small", type: "submit" }, "Save");
  private readonly said = element("p", { class: "field__hint", role: "status" });
  private readonly facts = element("dl", { class: "facts" });
  private readonly share = field({ id: "base-recall", label: "Only if so many golden questions are found (%)", type: "number", hint: "Empty: in any case. Otherwise the index stays as it was where fewer are found.", attributes: { min: "0", max: "100", step: "1" } });
  private readonly go = element("button", { class: "button button--small", type: "submit" }, "Index anew");
  private readonly bar = element("progress", { class: "progress upload__bar", max: "100", value: "0", hidden: true, "aria-label": "Indexing" });
  private readonly indexed = element("p", { class: "field__hint", role: "status" });
  private readonly problem = new Problem();
  private signal: AbortSignal | null = null;

  constructor(
    private readonly context: BaseContext,
    private readonly changed: (base: Base) => void,
    gone: () => void,
  ) {
    const form = element("form", { class: "stack-form" }, this.name.root, this.description.root, this.save, this.said);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.keep();
    });
    const anew = element("form", { class: "stack-form" }, this.share.root, this.go, this.bar, this.indexed);
    anew.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.reindex();
    });
    const remove = sureButton("Delete the base", "Delete all of it for good?", "", async () => {
      try {
        await deleteBase(context.id);
        gone();
      } catch (error) {
        this.problem.tell(wordsFor(error));
      }
    });
    this.root = element(
      "div",
      { class: "stack" },
      this.problem.root,
      element("section", { class: "panel section", "aria-label": "Name and description" }, form),
      element(
        "section",
        { class: "panel section", "aria-labelledby": "index-title" },
        element("h2", { id: "index-title" }, "Index"),
        element("p", { class: "section__hint" }, "How documents are cut is fixed when a base is made. Indexing anew embeds every passage with the model of this server; until it is done, searches find as before."),
        this.facts,
        anew,
      ),
      element(
        "section",
        { class: "panel section", "aria-label": "Delete" },
        element("p", { class: "section__hint" }, "Deleting takes its documents, golden questions and unanswered questions with it. Agents that use it go on without it."),
        element("div", {}, remove),
      ),
    );
  }

  start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    const shown = this.context.base();
    if (shown !== null) {
      this.name.input.value = shown.name;
      this.description.input.value = shown.description;
      this.show(shown);
    }
    return Promise.resolve();
  }

  refresh(): Promise<void> {
    const shown = this.context.base();
    if (shown !== null) this.show(shown);
    return Promise.resolve();
  }

  private show(shown: Base): void {
    const known = [
      ["Passages", count(shown.chunks)],
      ["Characters", count(shown.characters)],
      ["Longest passage", `${count(shown.chunkSize)} characters`],
      ["Shared with the next", `${count(shown.chunkOverlap)} characters`],
      ["Model", shown.model],
    ] as const;
    this.facts.replaceChildren(...facts(known));
  }

  private async keep(): Promise<void> {
    for (const each of [this.name, this.description]) each.refuse("");
    this.save.disabled = true;
    try {
      this.changed(await changeBase(this.context.id, { name: this.name.input.value.trim(), description: this.description.input.value }));
      setText(this.said, "Saved");
    } catch (error) {
      setText(this.said, "");
      for (const { field: wrong, problem } of error instanceof ApiError ? error.fields : []) {
        if (wrong === "name") this.name.refuse(problem);
        if (wrong === "description") this.description.refuse(problem);
      }
      if (!(error instanceof ApiError) || error.fields.length === 0) this.problem.tell(wordsFor(error));
    } finally {
      this.save.disabled = false;
    }
  }

  private async reindex(): Promise<void> {
    const { signal } = this;
    if (signal === null) return;
    this.problem.clear();
    this.go.disabled = true;
    this.bar.hidden = false;
    setText(this.indexed, "Indexing");
    const looking = setInterval(() => void this.look(signal), LOOK_EVERY_MS);
    try {
      const wanted = this.share.input.value === "" ? null : Number(this.share.input.value) / 100;
      const done = await reindex(this.context.id, wanted, signal);
      setText(this.indexed, `Indexed anew: ${count(done)} passages`);
      await this.context.reread();
    } catch (error) {
      if (signal.aborted) return;
      setText(this.indexed, "The index is as it was");
      this.problem.tell(wordsFor(error));
    } finally {
      clearInterval(looking);
      this.go.disabled = false;
      this.bar.hidden = true;
    }
  }

  private async look(signal: AbortSignal): Promise<void> {
    try {
      const now = await base(this.context.id, signal);
      if (now.status === "indexing") this.bar.value = now.progress;
    } catch {
      // The next look tells.
    }
  }
}
