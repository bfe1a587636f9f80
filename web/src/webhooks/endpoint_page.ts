/** One endpoint: how it does, what was sent to it, and what can be done with it. */

import "./webhooks.css";
import { every } from "../console/clock";
import { openDialog } from "../console/dialog";
import { emptyState, linkButton } from "../console/empty";
import { select } from "../console/fields";
import { LongList } from "../console/long_list";
import { Made } from "../console/made";
import { facts, timeTag } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { type Open, pageHead, pageRoot, type Place, type View } from "../console/view";
import { counted, date } from "../console/words";
import { element, setText } from "../dom/element";
import { query } from "../platform/client";
import { changeEndpoint, deleteEndpoint, deliveries, type Delivery, type Endpoint, endpoint, replay, rotateSecret } from "../platform/webhooks";
import { endpointForm } from "./endpoint_form";
import { NAMED, USUAL } from "./events";
import { replayForm } from "./replay_form";
import { answerOf, deliveryTag, durationOf, endpointTag } from "./words";

/** Pages that the API gives of a list. */
const LAST_PAGE = 100;
const FOLLOWS_EACH_MS = 4_000;

class EndpointPage implements View {
  readonly title = "Webhook";
  readonly root: HTMLElement;

  private readonly problem = new Problem();
  private readonly made = new Made();
  private readonly said = element("p", { class: "section__hint", role: "status" });
  private readonly facts = element("dl", { class: "facts facts--flat" });
  private readonly power = element("button", { class: "button button--small", type: "button", disabled: true }, "Switch off");
  private readonly buttons: HTMLButtonElement[];
  private readonly filter: { state: string; eventType: string };
  private readonly list: LongList<Delivery>;
  private signal = AbortSignal.abort();
  private known: Endpoint | null = null;

  constructor(private readonly place: Place) {
    this.filter = { state: place.query.get("state") ?? "", eventType: place.query.get("event") ?? "" };
    this.list = new LongList<Delivery>({
      label: "Deliveries",
      columns: ["Sent", "Event", "State", "Answer", "Tries", "Duration"],
      fetch: (page, perPage, signal) => deliveries(Number(this.place.params["id"]), this.filter, page, perPage, signal),
      cells: (row) => [timeTag(row.createdAt), row.eventType, deliveryTag(row.state), answerOf(row), String(row.attempts), durationOf(row)],
      href: (row) => `/console/webhooks/${row.endpointId}/deliveries/${row.id}`,
      empty: () => this.none(),
      lastPage: LAST_PAGE,
    });
    const edit = this.button("Edit", () => this.openForm());
    const rotate = this.button("New secret", () => this.rotate());
    const range = this.button("Replay", () => this.openReplay());
    const gone = this.button("Delete", () => this.remove());
    this.power.addEventListener("click", () => void this.toggle());
    this.buttons = [edit, rotate, range, gone, this.power];
    const state = select({
      id: "state",
      label: "State",
      choices: [["", "All"], ["waiting", "Waiting"], ["delivered", "Delivered"], ["failed", "Failed"]],
      value: this.filter.state,
    });
    const types = [...USUAL, ...NAMED].sort().map((name) => [name, name] as const);
    const event = select({ id: "event", label: "Event", choices: [["", "All"], ...types], value: this.filter.eventType });
    const narrow = (): void => {
      this.filter.state = state.input.value;
      this.filter.eventType = event.input.value;
      place.rename(place.path + query({ state: this.filter.state, event: this.filter.eventType }));
      void this.list.reload();
    };
    for (const { input } of [state, event]) input.addEventListener("change", narrow);
    this.root = pageRoot(
      pageHead("Webhook", "", edit, rotate, range, this.power, gone),
      this.problem.root,
      this.made.root,
      element("section", { class: "panel section", "aria-label": "The endpoint" }, this.facts, this.said),
      element("h2", { class: "page__part" }, "Deliveries"),
      element("div", { class: "filters" }, state.root, event.root),
      this.list.root,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    this.draw(await endpoint(this.place.params["id"] ?? "", signal));
    await this.list.start(signal);
    every(FOLLOWS_EACH_MS, signal, () => this.list.refresh());
  }

  private button(words: string, act: () => Promise<void>): HTMLButtonElement {
    const button = element("button", { class: "button button--small", type: "button", disabled: true }, words);
    button.addEventListener("click", () => void act());
    return button;
  }

  private draw(known: Endpoint): void {
    this.known = known;
    for (const button of this.buttons) button.disabled = false;
    setText(this.power, known.isActive ? "Switch off" : "Switch on");
    this.facts.replaceChildren(
      element("div", { class: "facts__wide" }, element("dt", {}, "Address"), element("dd", {}, element("strong", {}, known.url))),
      ...facts([
        ["State", endpointTag(known)],
        ["Events", known.events === null ? "The usual ones" : known.events.join(", ")],
        ["For", known.description || "–"],
        ["Added", date(known.createdAt)],
      ]),
    );
  }

  private none(): HTMLElement {
    if (this.filter.state + this.filter.eventType !== "") return emptyState("send", "None of this kind", "No delivery fits what you chose above.");
    const words = "The next event of its kinds appears here with what was sent and what came back. Send a test, or replay what has happened already.";
    return emptyState("send", "Nothing sent yet", words, linkButton("Send a test", "/console/webhooks"));
  }

  private async openForm(): Promise<void> {
    if (this.known === null) return;
    const { id } = this.known;
    const form = endpointForm(this.known);
    await openDialog({
      title: "Edit the endpoint",
      body: form.parts,
      act: "Save",
      submit: async () => this.draw(await changeEndpoint(id, form.read())),
    });
  }

  private async rotate(): Promise<void> {
    if (this.known === null) return;
    const { id } = this.known;
    let secret = "";
    const isDone = await openDialog({
      title: "A new secret?",
      body: [
        element("p", {}, "The header webhook-signature is signed with both for 24 hours; X-Webhook-Signature and X-Signature with the new one at once."),
      ],
      act: "Make a new secret",
      submit: async () => {
        secret = await rotateSecret(id);
      },
    });
    if (isDone) this.made.show("The endpoint's new secret, shown only now.", ["Secret", secret]);
  }

  private async openReplay(): Promise<void> {
    if (this.known === null) return;
    const { id } = this.known;
    const form = replayForm();
    await openDialog({
      title: "Replay a part of the log",
      body: [element("p", { class: "field__hint" }, "Events of its kinds are sent again in order, whether they arrived before or not."), ...form.parts],
      act: "Replay",
      submit: async () => {
        const { queued, lastId, isComplete } = await replay(id, form.read());
        const events = `${counted(queued, "event is", "events are")} on the way`;
        setText(this.said, isComplete ? `${events}.` : `${events}; the range is longer: replay again after event ${lastId ?? 0}.`);
      },
    });
    await this.list.refresh();
  }

  private async toggle(): Promise<void> {
    if (this.known === null) return;
    const { id, isActive } = this.known;
    if (isActive) {
      await openDialog({
        title: "Switch it off?",
        body: [element("p", {}, "What waits for it is given up, and nothing new is queued. What happens meanwhile can be replayed.")],
        act: "Switch off",
        submit: async () => this.draw(await changeEndpoint(id, { is_active: false })),
      });
      await this.list.refresh();
      return;
    }
    await this.told(async () => this.draw(await changeEndpoint(id, { is_active: true })));
  }

  private async remove(): Promise<void> {
    if (this.known === null) return;
    const { id, url } = this.known;
    const isDone = await openDialog({
      title: "Delete it for good?",
      body: [element("p", { class: "webhook__address" }, `${url} and the log of its deliveries go.`)],
      act: "Delete",
      isDangerous: true,
      submit: () => deleteEndpoint(id),
    });
    if (isDone) this.place.go("/console/webhooks");
  }

  private async told(act: () => Promise<void>): Promise<void> {
    this.problem.clear();
    try {
      await act();
    } catch (error) {
      if (!this.signal.aborted) this.problem.tell(wordsFor(error));
    }
  }
}

export const open: Open = (place) => new EndpointPage(place);
