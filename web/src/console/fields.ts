/** Labelled fields of forms. Each gives its root, and the control to read. */

import { element } from "../dom/element";

interface FieldOptions {
  id: string;
  label: string;
  hint?: string;
  attributes?: Record<string, string | boolean>;
}

export interface Field<Control extends HTMLElement> {
  readonly root: HTMLElement;
  readonly input: Control;
  /** Says what is wrong with it, beside it; an empty text takes that back. */
  refuse(problem: string): void;
}

/** One line of text, a number, a password …, by `type`. */
export function field(options: FieldOptions & { type?: string }): Field<HTMLInputElement> {
  const { id, type = "text", attributes = {} } = options;
  return labelled(options, element("input", { class: "field__input", id, name: id, type, ...described(options), ...attributes }));
}

/** Several lines. */
export function area(options: FieldOptions & { rows?: number }): Field<HTMLTextAreaElement> {
  const { id, rows = 6, attributes = {} } = options;
  return labelled(
    options,
    element("textarea", { class: "field__input field__input--area", id, name: id, rows: String(rows), ...described(options), ...attributes }),
  );
}

/** One of several; pairs of value and words. */
export function select(options: FieldOptions & { choices: readonly (readonly [string, string])[]; value?: string }): Field<HTMLSelectElement> {
  const { id, choices, value, attributes = {} } = options;
  const control = element(
    "select",
    { class: "field__input", id, name: id, ...described(options), ...attributes },
    ...choices.map(([choice, words]) => element("option", { value: choice, selected: choice === value }, words)),
  );
  return labelled(options, control);
}

/** On or off. */
export function toggle({ id, label, hint, attributes = {} }: FieldOptions): Field<HTMLInputElement> {
  const input = element("input", {
    class: "toggle__input",
    id,
    name: id,
    type: "checkbox",
    role: "switch",
    ...(hint === undefined ? {} : { "aria-describedby": `${id}-hint` }),
    ...attributes,
  });
  const problem = problemOf(id);
  const root = element(
    "div",
    { class: "toggle" },
    element("label", { class: "toggle__label", for: id }, input, element("span", {}, label)),
    hint === undefined ? null : element("p", { class: "field__hint", id: `${id}-hint` }, hint),
    problem,
  );
  return { root, input, refuse: refusing(input, problem) };
}

function described({ id, hint }: FieldOptions): Record<string, string> {
  return { "aria-describedby": hint === undefined ? `${id}-problem` : `${id}-hint ${id}-problem` };
}

function labelled<Control extends HTMLElement>({ id, label, hint }: FieldOptions, input: Control): Field<Control> {
  const problem = problemOf(id);
  const root = element(
    "div",
    { class: "field" },
    element("label", { class: "field__label", for: id }, label),
    input,
    hint === undefined ? null : element("p", { class: "field__hint", id: `${id}-hint` }, hint),
    problem,
  );
  return { root, input, refuse: refusing(input, problem) };
}

function problemOf(id: string): HTMLElement {
  return element("p", { class: "field__problem", id: `${id}-problem`, hidden: true });
}

function refusing(input: HTMLElement, problem: HTMLElement): (words: string) => void {
  return (words) => {
    problem.textContent = words;
    problem.hidden = words === "";
    input.setAttribute("aria-invalid", String(words !== ""));
  };
}
