/** Carriers' lines: adding one, and finding out what is wrong with it. */

import { openDialog } from "../console/dialog";
import { emptyState } from "../console/empty";
import { field, select } from "../console/fields";
import { sureButton, table, tag } from "../console/section";
import { Problem, wordsFor } from "../console/shell";
import { milliseconds } from "../console/words";
import { element } from "../dom/element";
import { addTrunk, plainNumber, removeTrunk, testTrunk, type Trunk, type TrunkTest, trunks } from "../platform/phone";

export class TrunksView {
  readonly id = "trunks";
  readonly title = "Trunks";
  readonly root: HTMLElement;

  private readonly list = element("div", {});
  private readonly result = element("div", { "aria-live": "polite" });
  private readonly problem = new Problem();

  constructor() {
    const add = element("button", { class: "button button--small", type: "button" }, "Add a trunk");
    add.addEventListener("click", () => void this.add());
    this.root = element("section", { class: "panel section" }, this.problem.root, this.list, this.result, element("div", {}, add));
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.read(signal);
  }

  private async read(signal?: AbortSignal): Promise<void> {
    try {
      this.draw(await trunks(signal));
    } catch (error) {
      if (signal?.aborted !== true) this.problem.tell(wordsFor(error));
    }
  }

  private draw(rows: Trunk[]): void {
    if (rows.length === 0) {
      const words = "A trunk is a carrier's line: the number calls come from, and the address they are sent to. Your carrier's page names both.";
      this.list.replaceChildren(emptyState("phone", "No trunks yet", words));
      return;
    }
    const cells = rows.map((row) => {
      const test = element("button", { class: "button button--quiet button--small", type: "button", "aria-label": `Test ${row.name}` }, "Test");
      test.addEventListener("click", () => void this.test(row, test));
      return [
        row.name,
        row.phoneNumber,
        row.isReady ? tag("Ready", "active") : tag("Being set up", "warning"),
        element("div", { class: "page__actions" }, test, sureButton("Remove", "Remove it?", row.name, () => this.remove(row))),
      ];
    });
    this.list.replaceChildren(table("Trunks", ["Name", "Number", "State", ""], cells, ""));
  }

  private async add(): Promise<void> {
    const name = field({ id: "trunk-name", label: "Name", attributes: { required: true, maxlength: "200" } });
    const number = field({ id: "trunk-number", label: "Number", type: "tel", hint: "With its country: +1…", attributes: { required: true } });
    const address = field({ id: "trunk-address", label: "Carrier's address", hint: "A host, with a port where it is not 5060.", attributes: { required: true } });
    const transport = select({ id: "trunk-transport", label: "Transport", choices: [["udp", "UDP"], ["tcp", "TCP"], ["tls", "TLS"]] });
    const username = field({ id: "trunk-user", label: "User name", hint: "Where the carrier wants one.", attributes: { autocomplete: "off" } });
    const password = field({ id: "trunk-password", label: "Password", type: "password", hint: "Kept encrypted, never shown again.", attributes: { autocomplete: "new-password" } });
    const pace = field({ id: "trunk-pace", label: "Calls per second", type: "number", attributes: { required: true, min: "0.1", max: "50", step: "0.1", value: "1" } });
    const isDone = await openDialog({
      title: "Add a trunk",
      body: [name.root, number.root, address.root, transport.root, username.root, password.root, pace.root],
      act: "Add",
      submit: () =>
        addTrunk({
          name: name.input.value.trim(),
          phone_number: plainNumber(number.input.value),
          address: address.input.value.trim(),
          transport: transport.input.value,
          username: username.input.value.trim(),
          calls_per_second: Number(pace.input.value),
          ...(password.input.value === "" ? {} : { password: password.input.value }),
        }),
    });
    if (isDone) await this.read();
  }

  private async test(row: Trunk, button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    this.problem.clear();
    try {
      this.result.replaceChildren(told(row, await testTrunk(row.id)));
    } catch (error) {
      this.problem.tell(wordsFor(error));
    } finally {
      button.disabled = false;
    }
  }

  private async remove(row: Trunk): Promise<void> {
    try {
      await removeTrunk(row.id);
      await this.read();
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }
}

function told(row: Trunk, test: TrunkTest): HTMLElement {
  const figures = [
    test.sipStatus === null ? null : `SIP ${test.sipStatus}`,
    test.latencyMs === null ? null : `answered in ${milliseconds(test.latencyMs)}`,
  ].filter((part) => part !== null);
  const title = test.ok ? `${row.name} answers` : (test.problem ?? `${row.name} does not answer as it should`);
  return element(
    "div",
    { class: test.ok ? "notice notice--good" : "notice notice--danger" },
    element("p", { class: "notice__title" }, title),
    figures.length === 0 ? null : element("p", {}, figures.join(", ")),
    test.advice === null ? null : element("p", { class: "notice__mend" }, test.advice),
  );
}
