/** Tabs by the pattern that keyboards and screen readers know: arrows move, the chosen panel is shown. */

import { element } from "../dom/element";
import { query } from "../platform/client";
import { Problem, wordsFor } from "./problem";
import type { Place } from "./view";

export interface Tab {
  readonly id: string;
  readonly title: string;
  readonly root: HTMLElement;
}

/** `chosen` hears which tab is shown, also of the first one. */
export function tabs(label: string, all: readonly Tab[], first: string, chosen: (id: string) => void): HTMLElement {
  const buttons = all.map(({ id, title }) =>
    element("button", { class: "tabs__tab", type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}` }, title),
  );
  const panels = all.map(({ id, root }) =>
    element("div", { class: "tabs__panel", role: "tabpanel", id: `panel-${id}`, "aria-labelledby": `tab-${id}`, tabindex: "-1" }, root),
  );
  const choose = (number: number, takesFocus: boolean): void => {
    buttons.forEach((button, other) => {
      button.setAttribute("aria-selected", String(other === number));
      button.tabIndex = other === number ? 0 : -1;
    });
    panels.forEach((panel, other) => {
      panel.hidden = other !== number;
    });
    if (takesFocus) buttons[number]?.focus();
    // Where the strip is wider than a phone, the chosen tab is in sight; the first one once the page is laid out.
    requestAnimationFrame(() => {
      const [seen, button] = [strip.getBoundingClientRect(), buttons[number]?.getBoundingClientRect()];
      if (button !== undefined) strip.scrollLeft += button.left + button.width / 2 - (seen.left + seen.width / 2);
    });
    const tab = all[number];
    if (tab !== undefined) chosen(tab.id);
  };
  const strip = element("div", { class: "tabs__strip", role: "tablist", "aria-label": label }, ...buttons);
  buttons.forEach((button, number) => button.addEventListener("click", () => choose(number, false)));
  strip.addEventListener("keydown", (event) => {
    const here = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const last = buttons.length - 1;
    const to = { ArrowRight: here === last ? 0 : here + 1, ArrowLeft: here === 0 ? last : here - 1, Home: 0, End: last }[event.key];
    if (here < 0 || to === undefined) return;
    event.preventDefault();
    choose(to, true);
  });
  choose(Math.max(0, all.findIndex(({ id }) => id === first)), false);
  return element("div", { class: "tabs" }, strip, ...panels);
}

/** A tab that fetches what it shows. */
export interface PageTab extends Tab {
  /** When it is seen first. */
  start?(signal: AbortSignal): Promise<void>;
  /** When it is seen again. */
  refresh?(): Promise<void>;
}

/** The tabs of a page: the address says which is shown, and none fetches anything before it is seen. */
export class PageTabs {
  readonly root: HTMLElement;
  /** The id of the one that is shown. */
  shown = "";

  private readonly problem = new Problem();
  private readonly begun = new Set<string>();
  private signal: AbortSignal | null = null;

  constructor(
    label: string,
    private readonly place: Place,
    private readonly all: readonly PageTab[],
  ) {
    const strip = tabs(label, all, place.query.get("tab") ?? "", (id) => this.show(id));
    this.root = element("div", { class: "stack" }, this.problem.root, strip);
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await this.begin();
  }

  open(id: string): void {
    this.root.querySelector<HTMLElement>(`#tab-${id}`)?.click();
  }

  private show(id: string): void {
    this.shown = id;
    if (this.signal === null) return; // the first one begins with the page
    this.place.rename(this.place.path + query({ tab: id === this.all[0]?.id ? "" : id }));
    void this.begin();
  }

  /** After a failure it begins anew when it is seen again. */
  private async begin(): Promise<void> {
    const { signal, shown } = this;
    const tab = this.all.find(({ id }) => id === shown);
    if (signal === null || tab === undefined) return;
    this.problem.clear();
    const isFirst = !this.begun.has(shown);
    this.begun.add(shown);
    try {
      await (isFirst ? tab.start?.(signal) : tab.refresh?.());
    } catch (error) {
      if (isFirst) this.begun.delete(shown);
      if (!signal.aborted && shown === this.shown) this.problem.tell(wordsFor(error));
    }
  }
}
