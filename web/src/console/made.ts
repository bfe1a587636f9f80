/** Something secret that was made and is shown only now. */

import { element } from "../dom/element";
import { icon } from "../dom/icons";
import { copyable } from "./copying";

/** A place for it; screen readers are told when it fills. */
export class Made {
  readonly root = element("div", { class: "made", "aria-live": "polite" });

  /** Pairs of what it is and the secret. It stays until it is put away. */
  show(words: string, ...secrets: (readonly [what: string, secret: string])[]): void {
    const away = element("button", { class: "button button--small", type: "button" }, "I have kept it");
    away.addEventListener("click", () => this.root.replaceChildren());
    this.root.replaceChildren(
      element(
        "div",
        { class: "made__box panel" },
        element("p", { class: "made__words" }, icon("key", 18), words),
        ...secrets.map(([what, secret]) => element("div", { class: "made__secret" }, element("span", { class: "field__label" }, what), copyable(secret, what.toLowerCase()))),
        away,
      ),
    );
    this.root.scrollIntoView({ block: "nearest" });
  }
}
