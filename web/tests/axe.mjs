// Looks at pages with axe-core, light and dark, on a phone and on a desk: what is serious or critical, what came from another
// server, what the pages' own policy forbade, what was wider than the window; reports it as JSON.
//
//   node web/tests/axe.mjs --url http://127.0.0.1:8000 --key pk_… --pages '["/console/keys", …]' --json OUT.json
//       [--screenshots FOLDER]
//
// Pages of the console are opened with the key. Leaves with 0 when it came to its end; whether what it saw is right is for
// the reader of the report to say.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { launch } from "./browser.mjs";
import { watchBorders, wishes } from "./visit.mjs";

const wish = wishes(["key", "pages"]);
const pages = JSON.parse(wish.pages);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const LOOKS = [
  { name: "desktop-light", width: 1440, height: 900, colorScheme: "light" },
  { name: "desktop-dark", width: 1440, height: 900, colorScheme: "dark" },
  { name: "phone-light", width: 390, height: 844, colorScheme: "light" },
  { name: "phone-dark", width: 390, height: 844, colorScheme: "dark" },
];
/** Phases of pages that still come. */
const COMING = ["opening", "loading"];

const told = { looked: 0, bad: [], foreign: [], violations: [], wider: [], faults: [] };
const browser = await launch({ microphone: false });
try {
  for (const { name: look, width, height, colorScheme } of LOOKS) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    await watchBorders(page, wish.url, told);
    page.on("pageerror", (error) => told.faults.push(`${page.url()}: ${error.message}`));
    await page.goto(`${wish.url}/console/sessions#key=${wish.key}`);
    await page.locator("html[data-phase=ready]").waitFor();
    for (const path of pages) {
      await page.goto(wish.url + path);
      await settled(page, path);
      await judge(page, look, path);
      // Where the menu is folded, it is looked at once.
      if (path === "/console/sessions" && width < 960) {
        await page.getByRole("button", { name: "Menu" }).click();
        await judge(page, look, `${path} with the menu`);
      }
      if (path === "/console/sessions") {
        await page.keyboard.press("Control+k");
        await page.getByRole("option").first().waitFor();
        await judge(page, look, `${path} with the palette`);
      }
    }
    await context.close();
  }
} catch (error) {
  told.faults.push(String(error));
} finally {
  await browser.close();
}
if (wish.json) await writeFile(wish.json, JSON.stringify(told, null, 2));
console.log(JSON.stringify(told, null, 2));

/** The page shows what it fetched, and nothing moves. */
async function settled(page, path) {
  await page.locator("h1, main").first().waitFor({ state: "attached" });
  if (path.startsWith("/console")) await page.locator("html[data-phase=ready]").waitFor();
  else await page.waitForFunction((coming) => document.readyState === "complete" && !coming.includes(document.documentElement.dataset.phase), COMING);
  await page.waitForLoadState("networkidle");
}

async function judge(page, look, path) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  told.looked += 1;
  for (const { id, impact, nodes } of found.violations) {
    if (impact !== "serious" && impact !== "critical") continue;
    for (const { target, failureSummary } of nodes.slice(0, 5)) {
      told.bad.push({ look, path, id, impact, target: target.join(" "), why: (failureSummary ?? "").split("\n").slice(1).join(" ").trim() });
    }
  }
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wider > 0) told.wider.push([look, path, wider]);
  if (wish.screenshots) await page.screenshot({ path: join(wish.screenshots, `${look}${path.replaceAll(/[^a-z0-9]+/gi, "-")}.png`) });
}
