/** What an agent can do besides talking: acts of the call, requests to servers, tools of MCP servers. */

import { area, field, select, toggle } from "../console/fields";
import { element } from "../dom/element";
import type { Json } from "../platform/client";
import { type Part, sentence } from "./form";

const ACTS = [
  ["end_call", "End the call", "Says goodbye and hangs up when the conversation is over."],
  ["transfer_call", "Transfer the call", "Hands a telephone call to one of its numbers, which stand under Telephone. Say in the instructions when, and to which."],
  ["send_dtmf", "Press telephone keys", "For menus of machines that want digits."],
] as const;

const KINDS = { http: "HTTP request", mcp: "MCP server" } as const;
type Kind = keyof typeof KINDS;

/** One act of the call: whether the agent has it, in which words, and how it transfers. */
class Act {
  readonly root: HTMLElement;

  private readonly has;
  private readonly words;
  private readonly mode;
  private readonly more: HTMLElement;

  constructor(
    readonly name: string,
    label: string,
    hint: string,
  ) {
    this.has = toggle({ id: `act-${name}`, label, hint });
    this.words = field({ id: `act-${name}-words`, label: "When to use it", hint: "In your words; empty: the usual ones.", attributes: { maxlength: "2000" } });
    this.mode = select({
      id: `act-${name}-mode`,
      label: "How",
      choices: [
        ["cold", "At once"],
        ["warm", "Ask the person first, and tell them of the caller"],
      ],
    });
    this.more = element("div", { class: "agent-act__more" }, this.words.root, name === "transfer_call" ? this.mode.root : null);
    this.has.input.addEventListener("change", () => this.unfold());
    this.root = element("div", { class: "agent-act" }, this.has.root, this.more);
  }

  show(tool: Json | undefined): void {
    this.has.input.checked = tool !== undefined;
    this.words.input.value = typeof tool?.["description"] === "string" ? tool["description"] : "";
    this.mode.input.value = tool?.["mode"] === "warm" ? "warm" : "cold";
    this.unfold();
  }

  read(): Json | null {
    if (!this.has.input.checked) return null;
    const description = this.words.input.value.trim();
    return { type: "builtin", name: this.name, description: description === "" ? null : description, mode: this.mode.input.value };
  }

  private unfold(): void {
    this.more.hidden = !this.has.input.checked;
  }

  refuse(problem: string): void {
    this.words.refuse(sentence(problem));
  }
}

let made = 0;

/** A request, or a server, with its fields; `removed` hears when it is taken away. */
class Tool {
  readonly root: HTMLElement;

  private readonly fields;
  private readonly title = element("h4", { class: "agent-tool__title" });

  constructor(
    readonly kind: Kind,
    tool: Json,
    removed: (tool: Tool) => void,
  ) {
    const id = `tool-${(made += 1)}`;
    this.fields = {
      name: field({ id: `${id}-name`, label: "Name", hint: "Letters, digits, _ and -. The model calls it by this name.", attributes: { maxlength: "64", spellcheck: "false" } }),
      description: area({ id: `${id}-description`, label: "When to use it", rows: 2, hint: "The model decides by these words.", attributes: { maxlength: "2000" } }),
      method: select({ id: `${id}-method`, label: "Method", choices: ["POST", "GET", "PUT", "PATCH", "DELETE"].map((word) => [word, word] as const) }),
      url: field({ id: `${id}-url`, label: "Address", type: "url", attributes: { placeholder: "https://", spellcheck: "false" } }),
      parameters: area({ id: `${id}-parameters`, label: "Parameters", rows: 6, hint: "A JSON schema of an object: what the model fills in.", attributes: { spellcheck: "false" } }),
    };
    const { name, description, method, url, parameters } = this.fields;
    name.input.value = String(tool["name"] ?? "");
    description.input.value = String(tool["description"] ?? "");
    method.input.value = String(tool["method"] ?? "POST");
    url.input.value = String(tool["url"] ?? "");
    parameters.input.value = JSON.stringify(tool["parameters"] ?? { type: "object", properties: {}, required: [] }, null, 2);
    parameters.input.classList.add("agent-code");
    const remove = element("button", { class: "button button--quiet button--small", type: "button" }, "Remove");
    remove.addEventListener("click", () => removed(this));
    const entitle = (): void => {
      this.title.textContent = `${KINDS[kind]}${name.input.value === "" ? "" : ` · ${name.input.value}`}`;
      remove.setAttribute("aria-label", `Remove ${name.input.value || KINDS[kind]}`);
    };
    name.input.addEventListener("input", entitle);
    entitle();
    this.root = element(
      "div",
      { class: "agent-tool", role: "group", "aria-label": KINDS[kind] },
      element("div", { class: "agent-tool__head" }, this.title, remove),
      kind === "http" ? element("div", { class: "agent-address" }, method.root, url.root) : url.root,
      name.root,
      description.root,
      kind === "http" ? parameters.root : null,
    );
  }

  read(): Json {
    const { name, description, method, url, parameters } = this.fields;
    const common = { type: this.kind, name: name.input.value.trim(), description: description.input.value.trim(), url: url.input.value.trim() };
    return this.kind === "mcp" ? common : { ...common, method: method.input.value, parameters: jsonOrText(parameters.input.value) };
  }

  refuse(problem: string, field: string): void {
    if (field === "parameters" && typeof jsonOrText(this.fields.parameters.input.value) === "string") {
      this.fields.parameters.refuse("This is no JSON. Look for a comma or a quotation mark too much or too little.");
      return;
    }
    const wrong = this.fields[field as keyof typeof this.fields] ?? this.fields.name;
    wrong.refuse(sentence(problem));
  }

  clear(): void {
    for (const each of Object.values(this.fields)) each.refuse("");
  }

  focus(): void {
    (this.root.querySelector<HTMLElement>("[aria-invalid=true]") ?? this.fields.url.input).focus();
  }
}

export class ToolsPart implements Part {
  readonly name = "tools";
  readonly root: HTMLElement;

  private readonly acts = ACTS.map(([name, label, hint]) => new Act(name, label, hint));
  private tools: Tool[] = [];
  private readonly list = element("div", { class: "agent-list" });
  private readonly problem = element("p", { class: "field__problem", hidden: true, role: "alert" });
  /** What each part of the value belongs to, in its order. */
  private order: (Act | Tool)[] = [];

  constructor(private readonly changed: () => void) {
    const adders = (Object.keys(KINDS) as Kind[]).map((kind) => {
      const button = element("button", { class: "button button--small", type: "button" }, { http: "Add a request", mcp: "Add an MCP server" }[kind]);
      button.addEventListener("click", () => {
        this.append(kind, {}).focus();
        this.changed();
      });
      return button;
    });
    this.root = element(
      "div",
      { class: "agent-list" },
      ...this.acts.map((act) => act.root),
      this.list,
      this.problem,
      element("div", { class: "page__actions" }, ...adders),
    );
  }

  show(value: unknown): void {
    const given = Array.isArray(value) ? (value as Json[]) : [];
    for (const act of this.acts) act.show(given.find((tool) => tool["type"] === "builtin" && tool["name"] === act.name));
    this.tools = [];
    this.list.replaceChildren();
    for (const tool of given) if (tool["type"] === "http" || tool["type"] === "mcp") this.append(tool["type"], tool);
  }

  read(): unknown {
    const acts = this.acts.map((act) => [act, act.read()] as const).filter(([, read]) => read !== null);
    const both = [...acts, ...this.tools.map((tool) => [tool, tool.read()] as const)];
    this.order = both.map(([owner]) => owner);
    return both.map(([, read]) => read);
  }

  refuse(problem: string, rest: string): void {
    this.problem.hidden = true;
    if (problem === "") {
      for (const act of this.acts) act.refuse("");
      for (const tool of this.tools) tool.clear();
      return;
    }
    const [number = "", ...inside] = rest.split(".");
    const owner = this.order[Number(number)];
    // Inside, the kind of the tool may stand before its field.
    const names = inside.filter((part) => part !== "http" && part !== "mcp" && part !== "builtin");
    if (owner instanceof Tool) owner.refuse(problem, names[0] ?? "");
    else if (owner instanceof Act) owner.refuse(problem);
    else {
      this.problem.textContent = sentence(problem);
      this.problem.hidden = false;
    }
  }

  focus(): void {
    const wrong = this.tools.find((tool) => tool.root.querySelector("[aria-invalid=true]") !== null);
    if (wrong !== undefined) wrong.focus();
    else this.root.querySelector<HTMLElement>("[aria-invalid=true], input")?.focus();
  }

  private append(kind: Kind, tool: Json): Tool {
    const added = new Tool(kind, tool, (removed) => {
      this.tools = this.tools.filter((other) => other !== removed);
      removed.root.remove();
      this.changed();
    });
    this.tools.push(added);
    this.list.append(added.root);
    return added;
  }
}

/** What cannot be read is sent as it is: the server refuses it, and the page says where. */
function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
