/** The form of an embed key. */

import { openDialog } from "../console/dialog";
import { area, field, select, toggle } from "../console/fields";
import { element } from "../dom/element";
import { agentChoices, type AgentName } from "../platform/agents";
import { changeEmbedKey, type EmbedDraft, type EmbedKey, makeEmbedKey } from "../platform/embeds";
import { originsOf } from "./snippet";

const MODES = [
  ["both", "By voice or in writing"],
  ["voice", "By voice"],
  ["text", "In writing"],
] as const;
const THEMES = [
  ["auto", "As the visitor’s system"],
  ["light", "Light"],
  ["dark", "Dark"],
] as const;

/** Opens the form for a new key (`key` null) or an old one; whether something was saved. */
export function editKey(key: EmbedKey | null, agents: readonly AgentName[]): Promise<boolean> {
  const agent = select({ id: "embed-agent", label: "Agent", choices: agentChoices(agents), hint: "The key opens this agent and nothing else." });
  const label = field({ id: "embed-label", label: "Name", attributes: { required: true, maxlength: "100", value: key?.label ?? "Website" } });
  const origins = area({
    id: "embed-origins",
    label: "Sites",
    rows: 3,
    hint: "One a line: https://www.example.org. Only pages of exactly these may use the key.",
    attributes: { required: true, spellcheck: "false" },
  });
  origins.input.value = key?.origins.join("\n") ?? "";
  const mode = select({ id: "embed-mode", label: "Visitors talk", choices: MODES, value: key?.mode ?? "both" });
  const button = field({ id: "embed-button", label: "Words on the button", attributes: { maxlength: "60", value: key?.button ?? "", placeholder: "Talk to …" } });
  const greeting = field({ id: "embed-greeting", label: "A sentence before the call", attributes: { maxlength: "300", value: key?.greeting ?? "" } });
  const theme = select({ id: "embed-theme", label: "Colours", choices: THEMES, value: key?.theme ?? "auto" });
  const own = toggle({ id: "embed-own", label: "A colour of your own", attributes: { checked: key?.accent != null } });
  const accent = field({ id: "embed-accent", label: "Colour of the button", type: "color", attributes: key?.accent == null ? {} : { value: key.accent } });
  const visitor = number("embed-visitor", "Calls of a visitor in an hour", key?.visitorCalls ?? 10, 1000);
  const address = number("embed-address", "Calls from an address in an hour", key?.addressCalls ?? 60, 10_000);
  const atOnce = number("embed-at-once", "Calls at once", key?.atOnce ?? 10, 1000);
  const longest = number("embed-longest", "Longest call, in minutes", Math.max(1, Math.round((key?.longestSeconds ?? 900) / 60)), 120);
  const show = (): void => void (accent.root.hidden = !own.input.checked);
  own.input.addEventListener("change", show);
  show();
  const draft = (): EmbedDraft => ({
    label: label.input.value.trim(),
    origins: originsOf(origins.input.value),
    mode: mode.input.value,
    theme: theme.input.value,
    accent: own.input.checked ? accent.input.value : null,
    button: button.input.value.trim(),
    greeting: greeting.input.value.trim(),
    visitor_calls_per_hour: Number(visitor.input.value),
    address_calls_per_hour: Number(address.input.value),
    calls_at_once: Number(atOnce.input.value),
    longest_call: Number(longest.input.value) * 60,
  });
  return openDialog({
    title: key === null ? "A button for a website" : key.label,
    body: [
      key === null ? agent.root : element("p", { class: "section__hint" }, `Key ${key.key}`),
      label.root,
      origins.root,
      mode.root,
      button.root,
      greeting.root,
      theme.root,
      own.root,
      accent.root,
      element("div", { class: "embed__pair" }, visitor.root, address.root, atOnce.root, longest.root),
    ],
    act: key === null ? "Make the button" : "Save",
    submit: () => (key === null ? makeEmbedKey(Number(agent.input.value), draft()) : changeEmbedKey(key.id, draft())),
  });
}

function number(id: string, label: string, value: number, most: number): ReturnType<typeof field> {
  return field({ id, label, type: "number", attributes: { required: true, min: "1", max: String(most), value: String(value) } });
}
