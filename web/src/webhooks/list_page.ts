/** Webhook endpoints: which there are and how they do, a new one, a test of all. */

import "./webhooks.css";
import { openDialog } from "../console/dialog";
import { emptyState, linkButton } from "../console/empty";
import { Made } from "../console/made";
import { table, tag, timeTag } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { type Open, pageHead, pageRoot, type View } from "../console/view";
import { milliseconds } from "../console/words";
import { element } from "../dom/element";
import { addEndpoint, type Endpoint, endpoints, testEndpoints, type TestResult } from "../platform/webhooks";
import { endpointForm } from "./endpoint_form";
import { endpointTag, eventsOf } from "./words";

class WebhooksPage implements View {
  readonly title = "Webhooks";
  readonly root: HTMLElement;

  private readonly add = element("button", { class: "button button--action button--small", type: "button" }, "Add an endpoint");
  private readonly test = element("button", { class: "button button--small", type: "button", disabled: true }, "Send a test");
  private readonly problem = new Problem();
  private readonly made = new Made();
  private readonly results = element("div", { "aria-live": "polite" });
  private readonly list = element("section", { class: "panel section", "aria-label": "Endpoints", "aria-busy": "true" });
  private known: Endpoint[] = [];
  private signal = AbortSignal.abort();

  constructor() {
    this.add.addEventListener("click", () => void this.openForm());
    this.test.addEventListener("click", () => void this.sendTest());
    this.root = pageRoot(
      pageHead("Webhooks", "Your server hears what happens here, as it happens: each event is posted, signed, and tried again until it arrives.", this.test, this.add),
      this.problem.root,
      this.made.root,
      this.results,
      this.list,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.signal = signal;
    await this.refresh();
  }

  private async refresh(): Promise<void> {
    this.known = await endpoints(this.signal);
    this.test.disabled = !this.known.some(({ isActive }) => isActive);
    this.list.setAttribute("aria-busy", "false");
    const rows = this.known.map((endpoint) => [
      element("a", { class: "webhook__address", href: `/console/webhooks/${endpoint.id}` }, endpoint.url),
      endpoint.description || "–",
      eventsOf(endpoint),
      endpointTag(endpoint),
      timeTag(endpoint.createdAt),
    ]);
    this.list.replaceChildren(rows.length === 0 ? this.none() : table("Endpoints", ["Address", "For", "Events", "State", "Added"], rows, ""));
  }

  private none(): HTMLElement {
    const words = "Give the address of your server. It hears of rooms, sessions, recordings and calls, and you see here what was sent and what it answered.";
    const first = element("button", { class: "button button--action button--small", type: "button" }, "Add the first endpoint");
    first.addEventListener("click", () => void this.openForm());
    return emptyState("send", "Nobody is told yet", words, first, linkButton("All events", "/docs/realtime"));
  }

  private async openForm(): Promise<void> {
    const form = endpointForm(null);
    let secret = "";
    const isDone = await openDialog({
      title: "Add an endpoint",
      body: form.parts,
      act: "Add endpoint",
      submit: async () => {
        ({ secret } = await addEndpoint(form.read()));
      },
    });
    if (!isDone) return;
    this.made.show("The endpoint's secret, which keys the signature of each request. It is shown only now: keep it with your server's secrets.", ["Secret", secret]);
    await this.again();
  }

  private async sendTest(): Promise<void> {
    this.test.disabled = true;
    this.problem.clear();
    try {
      this.results.replaceChildren(this.resultsOf(await testEndpoints()));
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
    await this.again();
  }

  private resultsOf(results: TestResult[]): HTMLElement {
    const rows = results.map(({ endpointId, deliveryId, status, milliseconds: took, error }) =>
      element(
        "li",
        {},
        tag(error === null ? "Arrived" : "Failed", error === null ? "active" : "failed"),
        element("span", { class: "webhook__address" }, this.known.find(({ id }) => id === endpointId)?.url ?? `Endpoint ${endpointId}`),
        element("span", {}, `${error ?? `answered ${status ?? ""}`} after ${milliseconds(took)}`),
        element("a", { href: `/console/webhooks/${endpointId}/deliveries/${deliveryId}` }, "What was sent"),
      ),
    );
    return element("section", { class: "panel section" }, element("h2", {}, "The test"), element("ul", { class: "test-results" }, ...rows));
  }

  private async again(): Promise<void> {
    try {
      await this.refresh();
    } catch (error) {
      if (!this.signal.aborted) this.problem.tell(wordsFor(error));
    }
  }
}

export const open: Open = () => new WebhooksPage();
