/** API keys: which there are and what they may do, a new one, revoking one, and the first lines of code with one. */

import "./keys.css";
import { openDialog } from "../console/dialog";
import { emptyState } from "../console/empty";
import { Made } from "../console/made";
import { Records } from "../console/records";
import { sureButton, tag, timeTag } from "../console/section";
import { copyable } from "../console/copying";
import { botSnippet, createSnippet, listSnippet } from "../console/snippets";
import { type Open, pageHead, pageRoot, type View } from "../console/view";
import { date } from "../console/words";
import { element, setText } from "../dom/element";
import { type Key, keys, type MadeKey, makeKey, revokeKey } from "../platform/keys";
import { type Project, projects } from "../platform/projects";
import type { Account } from "../platform/account";
import { newKeyForm } from "./key_form";

const states: Record<Key["status"], string> = { active: "Active", expired: "Expired", revoked: "Revoked" };

class KeysPage implements View {
  readonly title = "API keys";
  readonly root: HTMLElement;

  private readonly add = element("button", { class: "button button--action button--small", type: "button" }, "Create a key");
  private readonly count = element("p", { class: "section__hint" });
  private readonly made = new Made();
  private readonly snippets = element("div", { class: "snippets" });
  private readonly list: Records<Key>;
  private projects: Project[] = [];

  constructor(private readonly account: Account) {
    this.list = new Records<Key>({
      label: "API keys",
      columns: () => ["Label", "Key", ...this.ofMany("Project"), "May", "Status", "Expires", "Last used", "Created", ""],
      read: (signal) => this.read(signal),
      cells: (key) => [
        key.label,
        element("code", {}, `${key.prefix}…`),
        ...this.ofMany(this.projects.find(({ id }) => id === key.projectId)?.name ?? "–"),
        scopesOf(key),
        tag(states[key.status], key.status === "active" ? "active" : ""),
        key.expiresAt === null ? "Never" : date(key.expiresAt),
        key.lastUsedAt === null ? "Never" : timeTag(key.lastUsedAt),
        date(key.createdAt),
        key.status === "active" ? sureButton("Revoke", "Revoke for good?", key.label, () => this.list.change(() => revokeKey(key.id))) : "",
      ],
      empty: () => this.none(),
    });
    this.add.addEventListener("click", () => void this.openForm());
    this.drawSnippets("YOUR_API_KEY");
    this.root = pageRoot(
      pageHead("API keys", "A program shows its key with every request, as X-API-Key. A key opens one project, and may be confined to parts of the API.", this.add),
      this.made.root,
      element("section", { class: "panel section", "aria-label": "Keys" }, this.count, this.list.root),
      element("section", { class: "panel section", "aria-labelledby": "begin" }, element("h2", { id: "begin" }, "Begin with a key"), this.snippets),
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    this.projects = await projects(signal);
    await this.list.start(signal);
  }

  private async read(signal: AbortSignal): Promise<Key[]> {
    const all = await keys(signal);
    const active = all.filter(({ status }) => status === "active").length;
    setText(this.count, `${active} of ${this.account.maxActiveKeys} active keys.`);
    return all;
  }

  /** What tells projects apart, where there are several. */
  private ofMany(cell: string): string[] {
    return this.projects.length > 1 ? [cell] : [];
  }

  private none(): HTMLElement {
    const first = element("button", { class: "button button--action button--small", type: "button" }, "Create the first key");
    first.addEventListener("click", () => void this.openForm());
    return emptyState("key", "No keys yet", "With a key your programs do all that this console does.", first);
  }

  private drawSnippets(key: string): void {
    const { origin } = location;
    const part = (title: string, code: string, what: string): HTMLElement => element("div", {}, element("h3", {}, title), copyable(code, what));
    this.snippets.replaceChildren(
      element(
        "div",
        { class: "snippets__short" },
        part("Your conversations", `curl ${origin}/api/v1/sessions \\\n  -H "X-API-Key: ${key}"`, "how to list your conversations"),
        part("Create a meeting", createSnippet(origin, key), "how to create a meeting"),
        part("Your meetings", listSnippet(origin, key), "how to list your meetings"),
      ),
      part("Bring a bot along, with socket.io-client", botSnippet(origin, key), "how to bring a bot along"),
    );
  }

  private async openForm(): Promise<void> {
    const form = newKeyForm(this.projects, this.account.projectId);
    let made: MadeKey | null = null;
    await openDialog({
      title: "Create a key",
      body: form.parts,
      act: "Create key",
      submit: async () => {
        made = await makeKey(form.read());
      },
    });
    if (made === null) return;
    const { key, secret } = made as MadeKey;
    this.made.show("Your new key, shown only now: keep it somewhere safe. The secret signs tokens of your own; most programs need the key alone.", ["Key", key], ["Secret", secret]);
    this.drawSnippets(key);
    await this.list.refresh();
  }
}

function scopesOf({ scopes }: Key): string {
  if (scopes.includes("*")) return "Everything";
  if (scopes.length === 1 && scopes[0] === "read") return "Read everything";
  return scopes.join(", ");
}

export const open: Open = (_, account) => new KeysPage(account);
