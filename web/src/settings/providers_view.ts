/** A project's own keys of providers: put and removed, never shown. */

import { openDialog } from "../console/dialog";
import { field } from "../console/fields";
import { Records } from "../console/records";
import { rowActions, sectionRoot, sureButton, tag } from "../console/section";
import { date } from "../console/words";
import { element } from "../dom/element";
import { type Credential, credentials, projects, putCredential, removeCredential } from "../platform/projects";
import { projectChoice } from "./choice";

/** Who they are, and what they are used for. */
const PROVIDERS = [
  ["openai", "OpenAI", "Models, recognition, voices"],
  ["azure", "Azure", "Recognition, voices"],
  ["deepgram", "Deepgram", "Recognition"],
  ["elevenlabs", "ElevenLabs", "Voices"],
  ["cartesia", "Cartesia", "Voices"],
] as const;

interface Provider {
  readonly id: string;
  readonly name: string;
  readonly uses: string;
  readonly kept: Credential | null;
}

export class ProvidersView {
  readonly id = "providers";
  readonly title = "Provider keys";
  readonly root: HTMLElement;

  private readonly choice = element("div", {});
  private readonly list: Records<Provider> = new Records({
    label: "Provider keys",
    columns: ["Provider", "For", "Key", ""],
    read: (signal) => this.read(signal),
    cells: (provider) => [provider.name, provider.uses, stateOf(provider.kept), this.buttons(provider)],
    empty: () => "",
  });

  /** `current` is the project that is shown first. */
  constructor(private current: number) {
    this.root = sectionRoot(
      this.id,
      this.title,
      element("p", { class: "section__hint" }, "Your own accounts with providers, for meetings that use their own keys. They are kept encrypted, and nobody is shown them again."),
      this.choice,
      this.list.root,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    const choice = projectChoice("provider-project", await projects(signal), this.current, (id) => {
      this.current = id;
      void this.list.refresh();
    });
    this.choice.replaceChildren(...(choice === null ? [] : [choice]));
    await this.list.start(signal);
  }

  private async read(signal: AbortSignal): Promise<Provider[]> {
    const kept = new Map((await credentials(this.current, signal)).map((each) => [each.provider, each]));
    return PROVIDERS.map(([id, name, uses]) => ({ id, name, uses, kept: kept.get(id) ?? null }));
  }

  private buttons(provider: Provider): HTMLElement {
    const { id, name, kept } = provider;
    const words = kept === null ? "Add" : "Replace";
    const put = element("button", { class: "button button--small", type: "button", "aria-label": titleOf(provider) }, words);
    put.addEventListener("click", () => void this.openForm(provider));
    return rowActions(
      put,
      kept === null ? null : sureButton("Remove", "Remove for good?", `the key of ${name}`, () => this.list.change(() => removeCredential(this.current, id))),
    );
  }

  private async openForm(provider: Provider): Promise<void> {
    const { id, name, kept } = provider;
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
      attributes: { required: id === "azure", pattern: "[a-z0-9\\-]{1,40}", autocomplete: "off", value: kept?.region ?? "" },
    });
    const isDone = await openDialog({
      title: titleOf(provider),
      body: [key.root, ...(id === "azure" ? [region.root] : [])],
      act: "Keep it",
      submit: () => putCredential(this.current, id, key.input.value.trim(), region.input.value.trim()),
    });
    if (isDone) await this.list.refresh();
  }
}

function titleOf({ name, kept }: Provider): string {
  return kept === null ? `Add a key of ${name}` : `Replace the key of ${name}`;
}

function stateOf(known: Credential | null): Node | string {
  if (known === null) return "The platform's own, if it has one";
  const since = `Kept since ${date(known.updatedAt)}`;
  return tag(known.region === null ? since : `${since}, ${known.region}`, "active");
}
