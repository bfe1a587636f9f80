/** Parts of a form that are bound to settings by the API's names. */

import { area, field, select, toggle } from "../console/fields";
import { element } from "../dom/element";
import type { Settings } from "../platform/agent_settings";
import type { Json } from "../platform/client";
import { partOf, putPart } from "./settings";

export interface Part {
  /** As the API names it: `turn_taking.detection`. */
  readonly name: string;
  readonly root: HTMLElement;
  show(value: unknown): void;
  /** The value as the API wants it. */
  read(): unknown;
  /** Says what is wrong; `rest` is where within it, as in `0.model`. An empty text takes that back. */
  refuse(problem: string, rest: string): void;
  focus(): void;
}

export class Form {
  private shown: Settings = {};

  constructor(private readonly parts: readonly Part[]) {}

  show(settings: Settings): void {
    this.shown = settings;
    for (const part of this.parts) {
      part.show(partOf(settings, part.name));
      part.refuse("", "");
    }
  }

  /** All settings as the form has them. */
  read(): Settings {
    const settings = structuredClone(this.shown) as Json;
    for (const part of this.parts) putPart(settings, part.name, part.read());
    return settings;
  }

  /** Puts problems beside their fields, the first of which gets the focus; answers those that have none here. */
  refuse(problems: readonly { readonly field: string; readonly problem: string }[]): string[] {
    for (const part of this.parts) part.refuse("", "");
    const homeless: string[] = [];
    let first: Part | null = null;
    for (const { field: name, problem } of problems) {
      const part = ownerOf(this.parts, name);
      if (part === null) homeless.push(`${name}: ${problem}`);
      else {
        part.refuse(problem, name.slice(part.name.length + 1));
        first ??= part;
      }
    }
    first?.focus();
    return homeless;
  }
}

/** The part with the longest name that a problem's name begins with. */
function ownerOf(parts: readonly Part[], name: string): Part | null {
  const fits = parts.filter((part) => name === part.name || name.startsWith(`${part.name}.`));
  return fits.sort((a, b) => b.name.length - a.name.length)[0] ?? null;
}

interface Wording {
  readonly label: string;
  readonly hint?: string;
}

function idOf(name: string): string {
  return `set-${name.replaceAll(".", "-")}`;
}

/** Words for a problem of one field: a sentence. */
export function sentence(problem: string): string {
  return problem === "" ? "" : `${problem.charAt(0).toUpperCase()}${problem.slice(1)}`;
}

/** One line; `isOptional`: empty means null, the server's own choice. */
export function line(name: string, wording: Wording & { isOptional?: boolean; max?: number; placeholder?: string; suggestions?: readonly string[] }): Part {
  const { isOptional = false, max = 200, placeholder = "", suggestions = [] } = wording;
  const id = idOf(name);
  const listed = suggestions.length > 0;
  const attributes = { maxlength: String(max), placeholder, autocomplete: "off", spellcheck: "false", ...(listed ? { list: `${id}-list` } : {}) };
  const made = field({ id, ...wording, attributes });
  if (listed) made.root.append(element("datalist", { id: `${id}-list` }, ...suggestions.map((value) => element("option", { value }))));
  return {
    name,
    root: made.root,
    show: (value) => {
      made.input.value = typeof value === "string" ? value : "";
    },
    read: () => {
      const text = made.input.value.trim();
      return isOptional && text === "" ? null : text;
    },
    refuse: (problem) => made.refuse(sentence(problem)),
    focus: () => made.input.focus(),
  };
}

/** Several lines. */
export function prose(name: string, wording: Wording & { rows?: number; max: number; heard?: (text: string) => void }): Part {
  const made = area({ id: idOf(name), rows: wording.rows ?? 4, ...wording, attributes: { maxlength: String(wording.max) } });
  const tell = (): void => wording.heard?.(made.input.value);
  made.input.addEventListener("input", tell);
  return {
    name,
    root: made.root,
    show: (value) => {
      made.input.value = typeof value === "string" ? value : "";
      tell();
    },
    read: () => made.input.value,
    refuse: (problem) => made.refuse(sentence(problem)),
    focus: () => made.input.focus(),
  };
}

/** A number; `isOptional`: empty means null. What is no number goes to the server as it is and is refused there. */
export function number(
  name: string,
  wording: Wording & { isOptional?: boolean; min: number; max: number; step?: number; placeholder?: string },
): Part {
  const { isOptional = false, min, max, step = 1, placeholder = "" } = wording;
  const attributes = { min: String(min), max: String(max), step: String(step), placeholder, inputmode: "decimal" };
  const made = field({ id: idOf(name), type: "number", ...wording, attributes });
  return {
    name,
    root: made.root,
    show: (value) => {
      made.input.value = typeof value === "number" ? String(value) : "";
    },
    read: () => (made.input.value === "" ? (isOptional ? null : "") : Number(made.input.value)),
    refuse: (problem) => made.refuse(sentence(problem)),
    focus: () => made.input.focus(),
  };
}

/** One of several. A value that is none of them is kept, and shown by its name. */
export function choice(name: string, wording: Wording & { choices: readonly (readonly [string, string])[] }): Part {
  const made = select({ id: idOf(name), ...wording });
  return {
    name,
    root: made.root,
    show: (value) => {
      const wanted = String(value ?? "");
      if (![...made.input.options].some((option) => option.value === wanted)) {
        made.input.append(element("option", { value: wanted }, wanted));
      }
      made.input.value = wanted;
    },
    read: () => made.input.value,
    refuse: (problem) => made.refuse(sentence(problem)),
    focus: () => made.input.focus(),
  };
}

/** On or off. */
export function onOff(name: string, wording: Wording): Part {
  const made = toggle({ id: idOf(name), ...wording });
  return {
    name,
    root: made.root,
    show: (value) => {
      made.input.checked = value === true;
    },
    read: () => made.input.checked,
    refuse: (problem) => made.refuse(sentence(problem)),
    focus: () => made.input.focus(),
  };
}

/** What a group of parts is about, with its heading; a reader jumps here by `id`. */
export interface Group {
  readonly id: string;
  readonly title: string;
  readonly root: HTMLElement;
  readonly parts: readonly Part[];
}

/** A group; `body` is how its parts are arranged. */
export function group(id: string, title: string, hint: string, parts: readonly Part[], ...body: (Node | null)[]): Group {
  const root = element(
    "section",
    { class: "panel section agent-group", id: `group-${id}`, "aria-labelledby": `group-${id}-title`, tabindex: "-1" },
    element("h2", { id: `group-${id}-title` }, title),
    element("p", { class: "section__hint" }, hint),
    ...(body.length === 0 ? parts.map((part) => part.root) : body),
  );
  return { id, title, root, parts };
}

/** Fields side by side where there is room. */
export function beside(...parts: readonly Part[]): HTMLElement {
  return element("div", { class: "agent-beside" }, ...parts.map((part) => part.root));
}
