/** What a page may weigh: its script and style with all that they load, packed as servers send them. */

import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

export interface Part {
  readonly bytes: number;
  readonly loads: readonly string[];
}

/** The weight of an entry: itself and whatever it loads, at once or later, each once. */
export function weigh(parts: ReadonlyMap<string, Part>, entry: string): number {
  const seen = new Set<string>();
  const open = [entry];
  let bytes = 0;
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const part = parts.get(name);
    if (part === undefined || seen.has(name)) continue;
    seen.add(name);
    bytes += part.bytes;
    open.push(...part.loads);
  }
  return bytes;
}

/** Ends the build where a page is heavier than its limit, in bytes. */
export function budget(limits: Readonly<Record<string, number>>): Plugin {
  return {
    name: "budget",
    apply: "build",
    generateBundle(_, bundle) {
      const parts = new Map<string, Part>();
      const entries = new Map<string, string>();
      for (const [name, file] of Object.entries(bundle)) {
        const bytes = gzipSync(file.type === "chunk" ? file.code : file.source).length;
        const styles = file.type === "chunk" ? [...(file.viteMetadata?.importedCss ?? [])] : [];
        parts.set(name, { bytes, loads: file.type === "chunk" ? [...file.imports, ...file.dynamicImports, ...styles] : [] });
        if (file.type === "chunk" && file.isEntry) entries.set(file.name, name);
      }
      for (const [page, limit] of Object.entries(limits)) {
        const entry = entries.get(page);
        if (entry === undefined) this.error(`there is no page ${page} to weigh`);
        const bytes = weigh(parts, entry);
        if (bytes > limit) this.error(`${page} weighs ${bytes} bytes, more than ${limit}`);
        this.info(`${page} weighs ${Math.round(bytes / 1000)} kB`);
      }
    },
  };
}
