/** What a page of the console is, and what it is given. */

import { element } from "../dom/element";
import { icon } from "../dom/icons";
import type { Account } from "../platform/account";

/** Where the reader is. */
export interface Place {
  readonly path: string;
  /** Parts of the path that the route names: `:id` as `params.id`. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Opens another page of the console, as a click on its link does. */
  go(path: string): void;
  /** Says in the address what is shown now, without opening anything. */
  rename(path: string): void;
  /** Says what the page is called, once that is known. */
  entitle(title: string): void;
}

/** A page. It is made for one place and thrown away when another is opened. */
export interface View {
  readonly title: string;
  readonly root: HTMLElement;
  /** Fetches what is shown and follows it; `signal` ends requests, sockets and clocks of the page. */
  start(signal: AbortSignal): Promise<void>;
  /** Asked before another page of the console is opened; false keeps the reader here. */
  mayLeave?(): Promise<boolean>;
}

export type Open = (place: Place, account: Account) => View;

/** The head of a page: its one h1, what it is about, and what can be done here. */
export function pageHead(title: string, hint = "", ...actions: (Node | null)[]): HTMLElement {
  return headOf([element("h1", { tabindex: "-1" }, title), hint === "" ? null : element("p", { class: "page__hint" }, hint)], actions);
}

/** The head of the page of one of many: the way back to them, what it is called, and what is known of it. */
export function pageHeadOf(back: readonly [words: string, href: string] | null, title: HTMLHeadingElement, below: readonly (Node | null)[], ...actions: (Node | null)[]): HTMLElement {
  const link = back === null ? null : element("a", { class: "page__back", href: back[1] }, icon("left", 16), back[0]);
  return headOf([link, title, ...below], actions);
}

function headOf(title: readonly (Node | null)[], actions: readonly (Node | null)[]): HTMLElement {
  return element(
    "header",
    { class: "page__head" },
    element("div", { class: "page__title" }, ...title),
    actions.length === 0 ? null : element("div", { class: "page__actions" }, ...actions),
  );
}

/** The whole of a page: its head, and what is below. */
export function pageRoot(head: HTMLElement, ...parts: (Node | null)[]): HTMLElement {
  return element("div", { class: "page" }, head, ...parts);
}
