/** One delivery: what was sent, every try and what came back, and sending it again. */

import "./webhooks.css";
import { every } from "../console/clock";
import { colouredJson, pretty } from "../console/json";
import { facts, tag } from "../console/section";
import { copyButton } from "../console/copying";
import { Problem, wordsFor } from "../console/problem";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { milliseconds, moment } from "../console/words";
import { element } from "../dom/element";
import { type Attempt, delivery, type DeliveryDetail, redeliver } from "../platform/webhooks";
import { deliveryTag, hasWorked } from "./words";

const FOLLOWS_EACH_MS = 1_500;

class DeliveryPage implements View {
  readonly title = "Delivery";
  readonly root: HTMLElement;

  private readonly problem = new Problem();
  private readonly facts = element("dl", { class: "facts facts--flat" });
  private readonly body = element("div", { class: "code" });
  private readonly attempts = element("div", {});
  private readonly again = element("button", { class: "button button--action button--small", type: "button", disabled: true }, "Send again");
  private readonly state = element("span", { role: "status" });
  private shown = "";

  constructor(private readonly place: Place) {
    this.again.addEventListener("click", () => void this.repeat());
    const back = `/console/webhooks/${place.params["id"] ?? ""}`;
    this.root = pageRoot(
      pageHead("Delivery", "", element("a", { class: "button button--small", href: back }, "All deliveries"), this.again),
      this.problem.root,
      element("section", { class: "panel section", "aria-label": "The delivery" }, this.facts),
      element("section", { class: "panel section", "aria-labelledby": "tries" }, element("h2", { id: "tries" }, "Tries"), this.attempts),
      element("section", { class: "panel section", "aria-labelledby": "body" }, element("h2", { id: "body" }, "Body"), this.body),
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    if (await this.read(signal)) every(FOLLOWS_EACH_MS, signal, () => this.follow(signal));
  }

  /** Whether there is more to come. */
  private async read(signal: AbortSignal): Promise<boolean> {
    const known = await delivery(this.place.params["delivery"] ?? "", signal);
    this.draw(known);
    return known.state === "waiting";
  }

  private async follow(signal: AbortSignal): Promise<boolean> {
    try {
      const isWaiting = await this.read(signal);
      this.problem.clear();
      return isWaiting;
    } catch (error) {
      if (!signal.aborted) this.problem.tell(wordsFor(error));
      return true;
    }
  }

  private draw(known: DeliveryDetail): void {
    const now = JSON.stringify(known);
    if (now === this.shown) return; // what its reader has unfolded stays so
    this.shown = now;
    this.again.disabled = false;
    if (this.state.textContent !== deliveryTag(known.state).textContent) this.state.replaceChildren(deliveryTag(known.state));
    const shown: [string, Node | string][] = [
      ["State", this.state],
      ["Event", known.eventType],
      ["webhook-id", element("code", {}, known.messageId)],
      ["Room", known.roomName ?? "–"],
      ["Written", moment(known.createdAt)],
      known.state === "waiting" ? ["Next try", known.nextAt === null ? "–" : moment(known.nextAt)] : ["Ended", known.finishedAt === null ? "–" : moment(known.finishedAt)],
    ];
    if (known.redeliveryOf !== null) {
      const first = `/console/webhooks/${known.endpointId}/deliveries/${known.redeliveryOf}`;
      shown.push(["Repeats", element("a", { href: first }, `delivery ${known.redeliveryOf}`)]);
    }
    this.facts.replaceChildren(...facts(shown));
    const text = pretty(known.body);
    this.body.replaceChildren(element("pre", { tabindex: "0", "aria-label": "Body" }, colouredJson(text)), copyButton(known.body, "the body"));
    const tries = [...known.tries].reverse();
    this.attempts.replaceChildren(
      ...(tries.length === 0
        ? [element("p", { class: "section__empty" }, "None yet: it waits for its turn.")]
        : tries.map((each, number) => attempt(each, number === 0))),
    );
  }

  private async repeat(): Promise<void> {
    this.problem.clear();
    this.again.disabled = true;
    try {
      const made = await redeliver(Number(this.place.params["delivery"]));
      this.place.go(`/console/webhooks/${made.endpointId}/deliveries/${made.id}`);
    } catch (error) {
      this.again.disabled = false;
      this.problem.tell(wordsFor(error));
    }
  }
}

function attempt(each: Attempt, isOpen: boolean): HTMLElement {
  const answer = pretty(each.response);
  return element(
    "details",
    { class: "attempt", open: isOpen },
    element(
      "summary",
      {},
      tag(each.status === null ? "No answer" : String(each.status), hasWorked(each) ? "active" : "failed"),
      element("span", {}, `Try ${each.number}`),
      element("span", {}, moment(each.at)),
      element("span", {}, milliseconds(each.milliseconds)),
    ),
    element(
      "div",
      { class: "attempt__parts" },
      element("div", {}, element("h3", {}, "Request headers"), headers(each.requestHeaders)),
      element(
        "div",
        {},
        element("h3", {}, "Answer"),
        each.error === null ? null : element("p", { class: "section__hint" }, each.error),
        headers(each.responseHeaders),
        answer === ""
          ? element("p", { class: "section__empty" }, "It had no body.")
          : element("div", { class: "code" }, element("pre", { tabindex: "0", "aria-label": "Answer" }, colouredJson(answer))),
      ),
    ),
  );
}

function headers(given: Readonly<Record<string, string>>): HTMLElement | null {
  const pairs = Object.entries(given).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  return pairs.length === 0 ? null : element("dl", { class: "headers" }, ...pairs);
}

export const open: Open = (place) => new DeliveryPage(place);
