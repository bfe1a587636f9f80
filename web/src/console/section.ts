/** A part of a page of the console, and what stands in it: tables, facts, buttons of rows. */

import { element } from "../dom/element";
import { ago, moment } from "./words";

export function sectionRoot(id: string, title: string, ...parts: (Node | null)[]): HTMLElement {
  return element(
    "section",
    { class: "panel section", id, "aria-labelledby": `${id}-title` },
    element("h2", { id: `${id}-title` }, title),
    ...parts,
  );
}

/** A table whose rows are cards on a phone; the roles keep it a table for screen readers there. */
export function table(label: string, columns: readonly string[], rows: readonly (string | Node)[][], empty = ""): HTMLElement {
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

/** What is known of something, in pairs. */
export function facts(given: readonly (readonly [term: string, value: string | Node])[]): HTMLElement[] {
  return given.map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, value)));
}

/** A button of a row; `what` says of which one, for screen readers. */
export function rowButton(words: string, what: string, act: () => unknown): HTMLButtonElement {
  const button = element("button", { class: "button button--quiet button--small", type: "button", "aria-label": `${words} ${what}` }, words);
  button.addEventListener("click", () => void act());
  return button;
}

/** The buttons of a row. */
export function rowActions(...buttons: (Node | null)[]): HTMLElement {
  return element("div", { class: "page__actions" }, ...buttons);
}

/** A button that asks once more before it does what cannot be undone. `act` itself tells why it cannot be done. */
export function sureButton(words: string, sure: string, what: string, act: () => Promise<unknown>): HTMLButtonElement {
  const button = rowButton(words, what, () => {
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
  const reset = (): void => {
    button.classList.remove("button--sure");
    button.textContent = words;
    button.setAttribute("aria-label", `${words} ${what}`);
  };
  button.addEventListener("blur", reset);
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
