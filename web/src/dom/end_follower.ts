/** Keeps the end of a growing view in sight, until its reader scrolls away to read what was before. */

import { element } from "./element";
import { icon } from "./icons";

/** Within this many pixels of the end the view follows. */
const NEAR_END = 64;

export class EndFollower {
  /** Stands beside the scroller, in something positioned; shown while the view does not follow. */
  readonly latest: HTMLButtonElement;

  private following = true;
  private isAsked = false;

  constructor(private readonly scroller: HTMLElement) {
    this.latest = element("button", { class: "button latest", type: "button", hidden: true }, icon("down", 16), "Latest");
    this.latest.addEventListener("click", () => this.follow());
    scroller.addEventListener("scroll", () => {
      if (this.isAsked) return; // what grew has not been followed yet
      const { scrollTop, scrollHeight, clientHeight } = scroller;
      this.following = scrollHeight - scrollTop - clientHeight < NEAR_END;
      this.latest.hidden = this.following;
    });
    new ResizeObserver(() => this.grown()).observe(scroller);
  }

  /** Go to the end and stay there. */
  follow(): void {
    this.following = true;
    this.latest.hidden = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Something was added: go along if the reader was at the end, once for all that is added within a frame. */
  grown(): void {
    if (!this.following || this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      this.isAsked = false;
      if (this.following) this.follow();
    });
  }
}
