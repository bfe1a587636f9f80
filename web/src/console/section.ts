/** A part of a page of the console, and the tables in it. */

import { element } from "../dom/element";
import { ago, moment } from "./words";

export interface Section {
  readonly id: string;
  readonly title: string;
  readonly root: HTMLElement;
  /** Fetches what it shows. */
  start(): Promise<void>;
}

export function sectionRoot(id: string, title: string, ...parts: (Node | null)[]): HTMLElement {
  return element(
    "section",
    { class: "panel section", id, "aria-labelledby": `${id}-title` },
    element("h2", { id: `${id}-title` }, title),
    ...parts,
  );
}

/** A table whose rows are cards on a phone; the roles keep it a table for screen readers there. */
export function table(label: string, columns: string[], rows: (string | Node)[][], empty: string): HTMLElement {
  if (rows.length === 0) return element("p", { class: "section__empty" }, empty);
  return element(
    "table",
    { class: "table", role: "table", "aria-label": label },
    element(
      "thead",
      { role: "rowgroup" },
      element("tr", { role: "row" }, ...columns.map((column) => element("th", { role: "columnheader", scope: "col" }, column === "" ? doings() : column))),
    ),
    element(
      "tbody",
      { role: "rowgroup" },
      ...rows.map((cells) =>
        element(
          "tr",
          { role: "row" },
          ...cells.map((cell, number) => element("td", { role: "cell", "data-column": columns[number] ?? "" }, cell)),
        ),
      ),
    ),
  );
}

/** The head of a column of buttons: eyes see what it is. */
function doings(): HTMLElement {
  return element("span", { class: "visually-hidden" }, "What can be done");
}

/** A button that asks once more before it does what cannot be undone. */
export function sureButton(words: string, sure: string, what: string, act: () => Promise<void>): HTMLButtonElement {
  const button = element("button", { class: "button button--quiet button--small", type: "button", "aria-label": `${words} ${what}` }, words);
  const reset = (): void => {
    button.classList.remove("button--sure");
    button.textContent = words;
    button.setAttribute("aria-label", `${words} ${what}`);
  };
  button.addEventListener("blur", reset);
  button.addEventListener("click", () => {
    if (!button.classList.contains("button--sure")) {
      button.classList.add("button--sure");
      button.textContent = sure;
      button.setAttribute("aria-label", `${sure} ${what}`);
      return;
    }
    button.disabled = true;
    void act().finally(() => {
      button.disabled = false;
    });
  });
  return button;
}

/** A moment as how long ago it was, with its exact time for whoever points at it. */
export function timeTag(iso: string): HTMLElement {
  return element("time", { datetime: iso, title: moment(iso) }, ago(iso));
}

/** A state in a word; `data-state` gives its colour. */
export function tag(words: string, state = ""): HTMLElement {
  return element("span", state === "" ? { class: "tag" } : { class: "tag", "data-state": state }, words);
}
