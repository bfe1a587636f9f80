/** `embed.js` and `embed.mjs` at addresses that stay, each one file, beside the pages' hashed ones. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "vite";

const STYLE = "virtual:embed-style";
const PIXELS = 16;

/** The sheet of the shadow root: the tokens on the button's own element, sizes in pixels, no font of the server. */
export function sheet(tokens: string, rules: string): string {
  const own = tokens
    .replace(/@font-face\s*{[^}]*}/g, "")
    .replace(/\[data-theme="(\w+)"\] body/g, '.parley[data-theme="$1"]')
    .replace(/(^|\n)(\s*)body/g, "$1$2.parley")
    .replace('"Inter Variable", ', "");
  // `all: initial` must come before the tokens that it would else undo.
  return `${rules}\n${own}`
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/(-?[\d.]+)rem/g, (_, number: string) => `${Number(number) * PIXELS}px`)
    .replace(/\s+/g, " ")
    .replace(/ ?([{};,]) ?/g, "$1")
    .replace(/;}/g, "}")
    .trim();
}

function style(root: string): Plugin {
  const read = (path: string): string => readFileSync(join(root, path), "utf8");
  return {
    name: "embed-style",
    resolveId: (name) => (name === STYLE ? `\0${STYLE}` : null),
    load: (name) =>
      name === `\0${STYLE}` ? `export default ${JSON.stringify(sheet(read("src/design/tokens.css"), read("src/embed/widget.css")))}` : null,
  };
}

async function bundle(root: string, entry: string, format: "iife" | "es", room: string): Promise<string> {
  const built = await build({
    root,
    configFile: false,
    logLevel: "warn",
    define: { __PARLEY_ROOM__: JSON.stringify(room) },
    plugins: [style(root)],
    build: {
      write: false,
      target: "es2022",
      modulePreload: false,
      lib: { entry: join(root, entry), formats: [format], name: "ParleyScript", fileName: "embed" },
      minify: true,
    },
  });
  const [output] = Array.isArray(built) ? built : [built];
  if (output === undefined || !("output" in output) || output.output.length !== 1) throw new Error(`${entry} is not one file`);
  return output.output[0].code;
}

/** Builds both around the chunk that the entry `room` became, and ends the build where one is heavier than its limit. */
export function embed(limit: number): Plugin {
  let root = "";
  return {
    name: "embed",
    apply: "build",
    configResolved(config) {
      root = config.root;
    },
    async generateBundle(_, bundled) {
      const room = Object.values(bundled).find((file) => file.type === "chunk" && file.isEntry && file.name === "room");
      if (room === undefined) this.error("there is no room for embed.js to load");
      for (const [name, entry, format] of [
        ["embed.js", "src/embed/script.ts", "iife"],
        ["embed.mjs", "src/embed/module.ts", "es"],
      ] as const) {
        const source = await bundle(root, entry, format, room.fileName);
        const bytes = gzipSync(source).length;
        if (bytes > limit) this.error(`${name} weighs ${bytes} bytes, more than ${limit}`);
        this.info(`${name} weighs ${(bytes / 1000).toFixed(1)} kB`);
        this.emitFile({ type: "asset", fileName: name, source });
      }
    },
  };
}
