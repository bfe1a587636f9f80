/** Who is there, who waits, and what hosts may do with them. */

import { element } from "../dom/element";
import { icon } from "../dom/icons";
import { initialsOf } from "../dom/initials";
import type { Waiting } from "./board";
import type { Present } from "./stage";

export interface HostActions {
  admit(id: string): void;
  deny(id: string): void;
  mute(id: string): void;
  remove(id: string): void;
}

export class PeopleView {
  readonly root: HTMLElement;

  private readonly waiting = element("section", { class: "people__waiting", "aria-label": "Waiting to be let in" });
  private readonly list = element("ul", { class: "people__list", "aria-label": "Here" });
  private drawn = "";

  constructor(private readonly actions: HostActions) {
    this.root = element("div", { class: "people" }, this.waiting, this.list);
  }

  update(people: readonly Present[], waiting: readonly Waiting[], isHost: boolean): void {
    // Drawn only when something differs: a button must not vanish from under a finger.
    const looks = JSON.stringify([people.map(({ seen: _, ...person }) => person), waiting, isHost]);
    if (looks === this.drawn) return;
    this.drawn = looks;
    const focused = document.activeElement?.getAttribute("data-key") ?? null;
    this.waiting.hidden = waiting.length === 0;
    this.waiting.replaceChildren(
      element("h3", { class: "people__title" }, "Waiting"),
      element("ul", {}, ...waiting.map((each) => this.waits(each))),
    );
    this.list.replaceChildren(...people.map((each) => this.row(each, isHost)));
    if (focused !== null) this.root.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  private waits(each: Waiting): HTMLElement {
    const admit = element("button", { class: "button button--action people__button", type: "button", "data-key": `admit ${each.id}`, "aria-label": `Admit ${each.name}` }, "Admit");
    const deny = element("button", { class: "button people__button", type: "button", "data-key": `deny ${each.id}`, "aria-label": `Deny ${each.name}` }, "Deny");
    admit.addEventListener("click", () => this.actions.admit(each.id));
    deny.addEventListener("click", () => this.actions.deny(each.id));
    return element("li", { class: "people__row" }, face(each.name), element("span", { class: "people__name" }, each.name), deny, admit);
  }

  private row(person: Present, isHost: boolean): HTMLElement {
    const marks = [person.isSelf ? "You" : "", person.isHost ? "Host" : "", person.isBot ? "Bot" : ""].filter((each) => each !== "");
    const name = element("span", { class: "people__name" }, person.name, marks.length > 0 ? element("small", { class: "people__marks" }, marks.join(" · ")) : null);
    const row = element("li", { class: "people__row" }, face(person.name, person.isBot), name);
    if (person.hand) row.append(element("span", { class: "people__mark people__mark--hand", role: "img", "aria-label": "Hand raised" }, icon("hand", 18)));
    if (person.muted) row.append(element("span", { class: "people__mark", role: "img", "aria-label": "Muted" }, icon("microphoneOff", 18)));
    if (isHost && !person.isSelf) {
      if (!person.muted && person.seen?.microphone === "on") row.append(this.act("mute", person, "microphoneOff", `Mute ${person.name}`));
      row.append(this.act("remove", person, "remove", `Remove ${person.name}`));
    }
    return row;
  }

  private act(what: "mute" | "remove", person: Present, name: "microphoneOff" | "remove", words: string): HTMLElement {
    const button = element("button", { class: "button button--quiet people__act", type: "button", "data-key": `${what} ${person.id}`, "aria-label": words, title: words }, icon(name, 18));
    button.addEventListener("click", () => this.actions[what](person.id));
    return button;
  }
}

function face(name: string, isBot = false): HTMLElement {
  return element("span", { class: isBot ? "people__face people__face--bot" : "people__face", "aria-hidden": "true" }, initialsOf(name));
}
