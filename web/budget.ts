/** What a page may weigh: its script and style with all that they load, packed as servers send them. */

import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

export interface Part {
  readonly bytes: number;
  /** What it cannot do without. */
  readonly loads: readonly string[];
  /** What it loads when it is wanted. */
  readonly later: readonly string[];
}

/** The weight of entries together: themselves and what they load, at once and (`whole`) later, each part once. */
export function weigh(parts: ReadonlyMap<string, Part>, entries: readonly string[], whole: boolean): number {
  const seen = new Set<string>();
  const open = [...entries];
  let bytes = 0;
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const part = parts.get(name);
    if (part === undefined || seen.has(name)) continue;
    seen.add(name);
    bytes += part.bytes;
    open.push(...part.loads, ...(whole ? part.later : []));
  }
  return bytes;
}

/** Ends the build where a page, or one of the routes of an application with its frame, is heavier than its limit, in bytes. */
export function budget(pages: Readonly<Record<string, number>>, routes: Readonly<Record<string, number>>): Plugin {
  return {
    name: "budget",
    apply: "build",
    generateBundle(_, bundle) {
      const parts = new Map<string, Part>();
      const entries = new Map<string, string>();
      for (const [name, file] of Object.entries(bundle)) {
        const bytes = gzipSync(file.type === "chunk" ? file.code : file.source).length;
        const styles = file.type === "chunk" ? [...(file.viteMetadata?.importedCss ?? [])] : [];
        const [loads, later] = file.type === "chunk" ? [[...file.imports, ...styles], file.dynamicImports] : [[], []];
        parts.set(name, { bytes, loads, later });
        if (file.type === "chunk" && file.isEntry) entries.set(file.name, name);
      }
      const named = (page: string): string => entries.get(page) ?? this.error(`there is no page ${page} to weigh`);
      const hold = (what: string, bytes: number, limit: number): void => {
        if (bytes > limit) this.error(`${what} weighs ${bytes} bytes, more than ${limit}`);
        this.info(`${what} weighs ${Math.round(bytes / 1000)} kB`);
      };
      for (const [page, limit] of Object.entries(pages)) hold(page, weigh(parts, [named(page)], true), limit);
      for (const [page, limit] of Object.entries(routes)) {
        const frame = named(page);
        for (const route of parts.get(frame)?.later ?? []) hold(`${page}: ${route}`, weigh(parts, [frame, route], false), limit);
      }
    },
  };
}
