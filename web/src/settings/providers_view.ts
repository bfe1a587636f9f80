/** A project's own keys of providers: put and removed, never shown. */

import { openDialog } from "../console/dialog";
import { field } from "../console/fields";
import { type Section, sectionRoot, sureButton, table, tag } from "../console/section";
import { Problem, wordsFor } from "../console/shell";
import { date } from "../console/words";
import { element } from "../dom/element";
import { type Credential, credentials, type Project, projects, putCredential, removeCredential } from "../platform/projects";
import { projectChoice } from "./choice";

/** Who they are, and what they are used for. */
const PROVIDERS = [
  ["openai", "OpenAI", "Models, recognition, voices"],
  ["azure", "Azure", "Recognition, voices"],
  ["deepgram", "Deepgram", "Recognition"],
  ["elevenlabs", "ElevenLabs", "Voices"],
  ["cartesia", "Cartesia", "Voices"],
] as const;

export class ProvidersView implements Section {
  readonly id = "providers";
  readonly title = "Provider keys";
  readonly root: HTMLElement;

  private readonly problem = new Problem();
  private readonly choice = element("div", {});
  private readonly list = element("div", {});

  /** `current` is the project that is shown first. */
  constructor(private current: number) {
    this.root = sectionRoot(
      this.id,
      this.title,
      element("p", { class: "section__hint" }, "Your own accounts with providers, for meetings that use their own keys. They are kept encrypted, and nobody is shown them again."),
      this.problem.root,
      this.choice,
      this.list,
    );
  }

  async start(signal?: AbortSignal): Promise<void> {
    const all = await projects(signal);
    this.choose(all);
    await this.refresh(signal);
  }

  private choose(all: Project[]): void {
    const choice = projectChoice("provider-project", all, this.current, (id) => {
      this.current = id;
      void this.again();
    });
    this.choice.replaceChildren(...(choice === null ? [] : [choice]));
  }

  private async refresh(signal?: AbortSignal): Promise<void> {
    const kept = new Map((await credentials(this.current, signal)).map((each) => [each.provider, each]));
    const rows = PROVIDERS.map(([provider, name, uses]) => {
      const known = kept.get(provider);
      return [name, uses, stateOf(known), this.buttons(provider, name, known)];
    });
    this.list.replaceChildren(table("Provider keys", ["Provider", "For", "Key", ""], rows, ""));
  }

  private buttons(provider: string, name: string, known: Credential | undefined): HTMLElement {
    const put = element(
      "button",
      { class: "button button--small", type: "button", "aria-label": known === undefined ? `Add a key of ${name}` : `Replace the key of ${name}` },
      known === undefined ? "Add" : "Replace",
    );
    put.addEventListener("click", () => void this.openForm(provider, name, known));
    const remove = known === undefined ? null : sureButton("Remove", "Remove for good?", `the key of ${name}`, () => this.remove(provider));
    return element("span", { class: "settings__buttons" }, put, remove);
  }

  private async openForm(provider: string, name: string, known: Credential | undefined): Promise<void> {
    const key = field({
      id: "provider-key",
      label: `Key of ${name}`,
      type: "password",
      hint: "It is tried with the first call that needs it.",
      attributes: { required: true, maxlength: "500", autocomplete: "off", spellcheck: "false" },
    });
    const region = field({
      id: "region",
      label: "Region",
      hint: "Of the key, such as westeurope.",
      attributes: { required: provider === "azure", pattern: "[a-z0-9\\-]{1,40}", autocomplete: "off", value: known?.region ?? "" },
    });
    const isDone = await openDialog({
      title: known === undefined ? `Add a key of ${name}` : `Replace the key of ${name}`,
      body: [key.root, ...(provider === "azure" ? [region.root] : [])],
      act: "Keep it",
      submit: () => putCredential(this.current, provider, key.input.value.trim(), region.input.value.trim()),
    });
    if (isDone) await this.again();
  }

  private async remove(provider: string): Promise<void> {
    try {
      await removeCredential(this.current, provider);
    } catch (error) {
      this.problem.tell(wordsFor(error));
      return;
    }
    await this.again();
  }

  private async again(): Promise<void> {
    this.problem.clear();
    try {
      await this.refresh();
    } catch (error) {
      this.problem.tell(wordsFor(error));
    }
  }
}

function stateOf(known: Credential | undefined): Node | string {
  if (known === undefined) return "The platform's own, if it has one";
  const since = `Kept since ${date(known.updatedAt)}`;
  return tag(known.region === null ? since : `${since}, ${known.region}`, "active");
}
