/**
 * Goes anywhere by typing: pages by name, a session by its number, agents by name. Opened with Ctrl K or ⌘ K.
 *
 * A combobox: the focus stays in the field, the arrows choose in the list below, Enter goes.
 */

import { element, setText } from "../dom/element";
import { icon, type IconName } from "../dom/icons";
import { ask, type Json } from "../platform/client";
import { menu } from "./routes";

export interface Target {
  readonly words: string;
  readonly kind: string;
  readonly path: string;
  readonly icon: IconName;
}

const MOST = 20;

/** What a text may mean, the best first. Every word of it must be in the name; a number is also a session's. */
export function matching(text: string, targets: readonly Target[]): Target[] {
  const wanted = text.trim().toLocaleLowerCase();
  const words = wanted.split(/\s+/);
  const fits = targets.filter(({ words: name }) => words.every((word) => name.toLocaleLowerCase().includes(word)));
  const begins = (target: Target): number => Number(!target.words.toLocaleLowerCase().startsWith(wanted));
  const found = fits.sort((a, b) => begins(a) - begins(b)).slice(0, MOST);
  const [, number] = /^#?(\d{1,15})$/.exec(wanted) ?? [];
  if (number === undefined) return found;
  return [{ words: `Session ${number}`, kind: "Session", path: `/console/sessions/${number}`, icon: "lines" }, ...found];
}

export class Palette {
  /** Opens it by the pointer. */
  readonly opener: HTMLButtonElement;

  private readonly input = element("input", {
    class: "palette__input",
    type: "text",
    role: "combobox",
    "aria-label": "Go to",
    "aria-autocomplete": "list",
    "aria-expanded": "true",
    "aria-controls": "palette-list",
    placeholder: "A page, an agent, a session's number",
    autocomplete: "off",
    spellcheck: "false",
  });
  private readonly list = element("ul", { class: "palette__list", id: "palette-list", role: "listbox", "aria-label": "Where to" });
  private readonly said = element("p", { class: "palette__said", role: "status" });
  private readonly dialog = element("dialog", { class: "dialog palette panel", "aria-label": "Go to" }, this.input, this.list, this.said);
  private readonly pages: readonly Target[] = menu.flatMap(({ title, links }) =>
    links.map(({ path, words, icon: symbol }) => ({ words, kind: title, path, icon: symbol })),
  );
  private agents: readonly Target[] = [];
  private shown: readonly Target[] = [];
  private chosen = 0;

  constructor(private readonly go: (path: string) => void) {
    const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent);
    this.opener = element(
      "button",
      { class: "button palette__opener", type: "button", "aria-haspopup": "dialog", "aria-keyshortcuts": isApple ? "Meta+K" : "Control+K" },
      element("span", {}, "Go to…"),
      element("kbd", { "aria-hidden": "true" }, isApple ? "⌘ K" : "Ctrl K"),
    );
    document.body.append(this.dialog);
    this.opener.addEventListener("click", () => this.open());
    addEventListener("keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
      event.preventDefault();
      if (this.dialog.open) this.dialog.close();
      else if (document.querySelector("dialog[open]") === null) this.open();
    });
    this.input.addEventListener("input", () => this.draw());
    this.input.addEventListener("keydown", (event) => this.steer(event));
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close(); // the ground beside it
    });
  }

  open(): void {
    this.input.value = "";
    this.draw();
    this.dialog.showModal();
    this.input.focus();
    void this.readAgents();
  }

  /** Names change seldom: they are asked for each time it is opened, and the last ones serve until they come. */
  private async readAgents(): Promise<void> {
    try {
      const answer = (await ask("GET", "/agents?per_page=100")) as { agents: Json[] };
      this.agents = answer.agents.map((row) => ({
        words: String(row["name"]),
        kind: "Agent",
        path: `/console/agents/${Number(row["id"])}`,
        icon: "voices",
      }));
    } catch {
      return; // pages and sessions are found without them
    }
    if (this.dialog.open) this.draw();
  }

  private draw(): void {
    this.shown = matching(this.input.value, [...this.pages, ...this.agents]);
    this.chosen = 0;
    this.list.replaceChildren(
      ...this.shown.map(({ words, kind, icon: symbol }, number) => {
        const option = element(
          "li",
          { class: "palette__option", role: "option", id: `palette-${number}` },
          icon(symbol, 18),
          element("span", {}, words),
          element("span", { class: "palette__kind" }, kind),
        );
        option.addEventListener("click", () => this.leave(number));
        return option;
      }),
    );
    setText(this.said, this.shown.length === 0 ? "Nothing is called so." : "");
    this.mark();
  }

  private mark(): void {
    [...this.list.children].forEach((option, number) => option.setAttribute("aria-selected", String(number === this.chosen)));
    if (this.shown.length === 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", `palette-${this.chosen}`);
    this.list.children[this.chosen]?.scrollIntoView({ block: "nearest" });
  }

  private steer(event: KeyboardEvent): void {
    const last = this.shown.length - 1;
    const to = { ArrowDown: this.chosen >= last ? 0 : this.chosen + 1, ArrowUp: this.chosen <= 0 ? last : this.chosen - 1 }[event.key];
    if (to !== undefined && last >= 0) {
      event.preventDefault();
      this.chosen = to;
      this.mark();
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      this.leave(this.chosen);
    }
  }

  private leave(number: number): void {
    const target = this.shown[number];
    if (target === undefined) return;
    this.dialog.close();
    this.go(target.path);
  }
}
