/** Carriers' lines: adding one, and finding out what is wrong with it. */

import { openDialog } from "../console/dialog";
import { emptyState } from "../console/empty";
import { field, select } from "../console/fields";
import { Records } from "../console/records";
import { rowActions, rowButton, sureButton, tag } from "../console/section";
import { mend, notice } from "../console/problem";
import { milliseconds } from "../console/words";
import { element } from "../dom/element";
import { addTrunk, plainNumber, removeTrunk, testTrunk, type Trunk, type TrunkTest, trunks } from "../platform/phone";

export class TrunksView {
  readonly id = "trunks";
  readonly title = "Trunks";
  readonly root: HTMLElement;

  private readonly list: Records<Trunk> = new Records({
    label: "Trunks",
    columns: ["Name", "Number", "State", ""],
    read: trunks,
    cells: (row) => {
      const test = rowButton("Test", row.name, () => this.test(row, test));
      return [
        row.name,
        row.phoneNumber,
        row.isReady ? tag("Ready", "active") : tag("Being set up", "warning"),
        rowActions(
          test,
          sureButton("Remove", "Remove it?", row.name, () => this.list.change(() => removeTrunk(row.id))),
        ),
      ];
    },
    empty: () => emptyState("phone", "No trunks yet", "A trunk is a carrier's line: the number calls come from, and the address they are sent to. Your carrier's page names both."),
  });
  private readonly result = element("div", { "aria-live": "polite" });

  constructor() {
    const add = element("button", { class: "button button--small", type: "button" }, "Add a trunk");
    add.addEventListener("click", () => void this.add());
    this.root = element("section", { class: "panel section" }, this.list.root, this.result, element("div", {}, add));
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.list.start(signal);
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
    if (isDone) await this.list.refresh();
  }

  private async test(row: Trunk, button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    const found = await this.list.attempt(() => testTrunk(row.id));
    button.disabled = false;
    this.result.replaceChildren(...(found === null ? [] : [told(row, found)]));
  }
}

function told(row: Trunk, test: TrunkTest): HTMLElement {
  const figures = [
    test.sipStatus === null ? null : `SIP ${test.sipStatus}`,
    test.latencyMs === null ? null : `answered in ${milliseconds(test.latencyMs)}`,
  ].filter((part) => part !== null);
  return notice(
    test.ok ? "good" : "danger",
    test.ok ? `${row.name} answers` : (test.problem ?? `${row.name} does not answer as it should`),
    figures.length === 0 ? null : element("p", {}, figures.join(", ")),
    test.advice === null ? null : mend(test.advice),
  );
}
