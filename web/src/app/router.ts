/** Opens the page that the address names, ends the one before, and keeps the browser's history. */

import { closeDialogs } from "../console/dialog";
import { emptyState, linkButton } from "../console/empty";
import { Problem, wordsFor } from "../console/problem";
import { pageHead, pageRoot, type Place, type View } from "../console/view";
import { element } from "../dom/element";
import type { Account } from "../platform/account";
import { find } from "./routes";

export class Router {
  private leaving = new AbortController();
  private turn = 0;
  private shown: View | null = null;
  /** The address of the page that is shown, to come back to where it keeps its reader. */
  private here = "";

  /** `outlet` is where pages go; `opened` hears of each path that is shown. */
  constructor(
    private readonly outlet: HTMLElement,
    private readonly account: Account,
    private readonly opened: (path: string) => void,
  ) {}

  start(): void {
    addEventListener("popstate", () => void this.goBack());
    document.addEventListener("click", (event) => this.clicked(event));
    void this.open({ isFirst: true });
  }

  go(path: string): void {
    void this.leave().then((leaves) => {
      if (leaves) this.follow(path);
    });
  }

  private follow(path: string): void {
    if (path !== addressNow()) history.pushState(null, "", path);
    scrollTo(0, 0);
    void this.open({ isFirst: false });
  }

  /** The browser has gone to another of its entries already; a page that keeps its reader gets its own back. */
  private async goBack(): Promise<void> {
    const wanted = addressNow();
    if (wanted === this.here) return;
    if (this.shown?.mayLeave === undefined) return this.open({ isFirst: false });
    history.pushState(null, "", this.here);
    if (await this.leave()) this.follow(wanted);
  }

  private async leave(): Promise<boolean> {
    return (await this.shown?.mayLeave?.()) ?? true;
  }

  /** A plain click on a link of the console opens it here; all other clicks are the browser's. */
  private clicked(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest("a");
    if (link === null || link === undefined || link.target !== "" || link.hasAttribute("download")) return;
    const to = new URL(link.href, location.href);
    if (to.origin !== location.origin || find(to.pathname) === null) return;
    if (to.hash !== "" && to.pathname === location.pathname) return;
    event.preventDefault();
    this.go(to.pathname + to.search);
  }

  private async open({ isFirst }: { isFirst: boolean }): Promise<void> {
    const turn = ++this.turn;
    const place = this.placeOf(location.pathname, turn);
    this.here = addressNow();
    closeDialogs();
    document.documentElement.dataset["phase"] = "opening";
    this.opened(location.pathname);
    let view: View;
    try {
      const page = await find(place.path)?.route.load();
      if (turn !== this.turn) return;
      view = page === undefined ? nothingHere() : page.open(place, this.account);
    } catch (error) {
      if (turn !== this.turn) return;
      console.error(error);
      view = notLoaded();
    }
    this.leaving.abort();
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    document.title = titleOf(view.title);
    this.shown = view;
    view.root.classList.add("is-coming");
    this.outlet.replaceChildren(view.root);
    // A reader of the screen hears which page this is; on the first one the browser says so itself.
    if (!isFirst) view.root.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
    try {
      await view.start(signal);
    } catch (error) {
      if (signal.aborted) return;
      const problem = new Problem();
      const again = element("button", { class: "button button--small", type: "button" }, "Try again");
      again.addEventListener("click", () => void this.open({ isFirst: false }));
      problem.tell(wordsFor(error), element("div", {}, again));
      this.outlet.replaceChildren(pageRoot(pageHead(view.title), problem.root));
    } finally {
      view.root.classList.remove("is-coming");
    }
    if (!signal.aborted) document.documentElement.dataset["phase"] = "ready";
  }

  /** A page that was left meanwhile changes neither address nor title. */
  private placeOf(path: string, turn: number): Place {
    return {
      path,
      params: find(path)?.params ?? {},
      query: new URLSearchParams(location.search),
      go: (to) => this.go(to),
      rename: (to) => {
        if (turn !== this.turn) return;
        history.replaceState(null, "", to);
        this.here = addressNow();
      },
      entitle: (title) => {
        if (turn === this.turn) document.title = titleOf(title);
      },
    };
  }
}

function titleOf(page: string): string {
  return `${page} · Parley`;
}

function addressNow(): string {
  return location.pathname + location.search;
}

function plainView(title: string, ...parts: Node[]): View {
  return { title, root: pageRoot(pageHead(title), ...parts), start: () => Promise.resolve() };
}

function nothingHere(): View {
  const words = "The address names no page of the console. What was here may have been deleted.";
  return plainView("Nothing here", emptyState("alert", "Nothing here", words, linkButton("To the overview", "/console", "action")));
}

function notLoaded(): View {
  const again = element("button", { class: "button button--small", type: "button" }, "Load again");
  again.addEventListener("click", () => location.reload());
  const words = "The server does not answer, or was updated since this tab was opened.";
  return plainView("Not loaded", emptyState("alert", "This page could not be loaded", words, again));
}
