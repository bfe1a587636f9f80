/** The page of a scenario: one button, which begins this person's next meeting of it. */

import { element } from "../dom/element";
import { action, notice } from "./notice";

export class ScenarioPage {
  constructor(
    private readonly root: HTMLElement,
    private readonly address: string,
  ) {}

  async start(): Promise<void> {
    const answer = await fetch(this.address).catch(() => null);
    if (!answer?.ok) {
      const wrong = answer !== null && [400, 403, 404].includes(answer.status);
      this.show("This link does not work", wrong ? "It is not complete, or the scenario is no more. Ask for a new one." : "The server cannot be reached. Try again.", []);
      return;
    }
    const { scenario, end_user: person } = (await answer.json()) as { scenario: { name: string }; end_user: { name: string } };
    document.title = `${scenario.name} · Parley`;
    const button = action("Begin a meeting", "button--action button--large", () => void this.begin(button));
    this.show(scenario.name, `You are ${person.name}.`, [button]);
  }

  private async begin(button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    const answer = await fetch(this.address, { method: "POST" }).catch(() => null);
    if (answer?.status === 201) {
      const { meeting_url: address } = (await answer.json()) as { meeting_url: string };
      const { pathname, search, hash } = new URL(address);
      location.assign(pathname + search + hash);
      return;
    }
    button.disabled = false;
    const words = answer?.status === 429 ? "That was often in a short time. Wait a minute." : "The meeting could not be made. Try again.";
    button.before(element("p", { class: "notice notice--danger", role: "alert" }, words));
  }

  private show(title: string, words: string, actions: HTMLElement[]): void {
    this.root.querySelector("main")?.remove();
    this.root.append(notice(title, words, actions));
    document.documentElement.dataset["phase"] = "scenario";
  }
}
