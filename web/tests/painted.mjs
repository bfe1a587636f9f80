// Looks at one call on the live page and says when each of its lines was painted, as JSON.
//
//   node web/tests/painted.mjs --url http://127.0.0.1:8000 --key pk_… --room r --json OUT.json
//
// Lines carry marks such as <f12>; the report has the moment of each mark, milliseconds since 1970. `watching` on stdout
// says that the page is there; a line on stdin ends the look.
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";

const { values: wish } = parseArgs({
  options: { url: { type: "string" }, key: { type: "string" }, room: { type: "string" }, json: { type: "string" } },
});
if (!wish.url || !wish.key || !wish.room || !wish.json) {
  console.error("needed: --url (the platform), --key (an API key), --room, --json");
  process.exit(2);
}

/** Notes each mark with the beginning of the frame after the one it was drawn in: by then it is on the screen. */
function note() {
  const marks = (window.__marks = {});
  const told = new Set();
  new MutationObserver(() => {
    for (const words of document.querySelectorAll("[data-line]:nth-last-child(-n+8) .line__words")) {
      const mark = /<[fi]\d+>/.exec(words.textContent)?.[0];
      if (mark === undefined || told.has(mark)) continue;
      told.add(mark);
      requestAnimationFrame(() => {
        marks[mark] = performance.timeOrigin + performance.now();
      });
    }
  }).observe(document.querySelector(".call__words"), { subtree: true, childList: true, characterData: true });
}

const browser = await launch({ microphone: false });
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.setDefaultTimeout(30_000);
  await page.goto(`${wish.url}/console/live/${wish.room}#key=${wish.key}`);
  await page.locator("html[data-phase=ready]").waitFor();
  await page.locator('.live__connection[data-state="live"]').waitFor();
  await page.evaluate(note);
  console.log("watching");
  await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next();
  const marks = await page.evaluate(() => window.__marks);
  const lines = await page.locator("[data-line]").count();
  await writeFile(wish.json, JSON.stringify({ marks, lines }));
} finally {
  await browser.close();
}
process.exit(0);
