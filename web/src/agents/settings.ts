/** Settings as plain data: reading and putting parts by their dotted names, and what differs. */

import type { Settings } from "../platform/agent_settings";
import type { Json } from "../platform/client";

/** The value a dotted name leads to; undefined where there is none. */
export function partOf(settings: Settings, name: string): unknown {
  return name.split(".").reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), settings);
}

/** Puts a value where a dotted name leads, and makes what is missing on the way. */
export function putPart(settings: Json, name: string, value: unknown): void {
  const keys = name.split(".");
  const last = keys.pop() ?? name;
  const place = keys.reduce<Json>((at, key) => {
    const next = at[key];
    if (isObject(next)) return next;
    return (at[key] = {}) as Json;
  }, settings);
  place[last] = value;
}

/** The fields of `after` that are otherwise in `before`. */
export function changesOf(before: Settings, after: Settings): Settings {
  return Object.fromEntries(Object.entries(after).filter(([name, value]) => !isSame(before[name], value)));
}

/** What a version holds of an agent's settings: without what acts at once. */
export function versionedOf(settings: Settings): Settings {
  const { is_active: _active, budget: _budget, ...versioned } = settings;
  return versioned;
}

/** Whether two values say the same; the order of an object's keys says nothing. */
export function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

/** The variables that texts ask for, each once: `{{name}}`. */
export function variablesOf(...texts: string[]): string[] {
  const found = texts.flatMap((text) => [...text.matchAll(/\{\{\s*([A-Za-z_][A-Za-z0-9_.]*)\s*\}\}/g)].map(([, name]) => name ?? ""));
  return [...new Set(found)];
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value ?? null;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}
