/** What the heads of all pages have in common; a page says `<!--head-->` where it goes. */

import type { Plugin } from "vite";

const HEAD = `<meta charset="utf-8" />
    <meta name="referrer" content="no-referrer" />
    <meta name="theme-color" content="#f6f5f2" media="(prefers-color-scheme: light)" />
    <meta name="theme-color" content="#111315" media="(prefers-color-scheme: dark)" />
    <link rel="icon" type="image/svg+xml" href="/src/design/parley.svg" />
    <link
      rel="preload"
      as="font"
      type="font/woff2"
      crossorigin
      href="/node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2"
    />`;

export function head(): Plugin {
  return { name: "head", transformIndexHtml: { order: "pre", handler: (html) => html.replace("<!--head-->", HEAD) } };
}
