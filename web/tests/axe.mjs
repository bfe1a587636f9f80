// Looks at pages with axe-core: what is serious or critical, what came from another server, what the pages' own policy
// forbade, what was wider than the window; reports it as JSON.
//
//   node web/tests/axe.mjs --url http://127.0.0.1:8000 --key pk_… --pages '["/console/keys", …]' --json OUT.json
//       [--screenshots FOLDER] [--width 390 --height 844] [--dark]
//
// Pages of the console are opened with the key. Leaves with 0 when it came to its end; whether what it saw is right is for
// the reader of the report to say.
import { seriousOn } from "./judge.mjs";
import { ready, visit, wishes } from "./visit.mjs";

const wish = wishes(["key", "pages"]);
/** Phases of pages that still come. */
const COMING = ["opening", "loading"];

await visit(wish, async ({ page, show, told }) => {
  Object.assign(told, { looked: [], bad: [] });
  const judge = async (name) => {
    told.bad.push(...(await seriousOn(page, name)));
    told.looked.push(name);
    await show(name.replaceAll(/[^a-z0-9]+/gi, "-").replace(/^-/, ""));
  };

  const settled = settling(page);
  await page.goto(`${wish.url}/console/sessions#key=${wish.key}`);
  await ready(page);
  if (Number(wish.width) < 960) {
    await page.getByRole("button", { name: "Menu" }).click();
    await judge("the menu");
  }
  await page.keyboard.press("Control+k");
  await page.locator("#palette-list li").first().waitFor();
  await judge("the palette");
  for (const path of JSON.parse(wish.pages)) {
    await page.goto(wish.url + path);
    await page.locator("h1, main").first().waitFor({ state: "attached" });
    if (path.startsWith("/console")) await ready(page);
    else await page.waitForFunction((coming) => document.readyState === "complete" && !coming.includes(document.documentElement.dataset.phase), COMING);
    await settled();
    if (path === "/docs") await openOperation(page);
    await judge(path);
  }
});

/** What waits until a page has the answers to all that it asked for, and has drawn them. */
function settling(page) {
  const asked = new Set();
  let answered = () => {};
  const end = (request) => {
    asked.delete(request);
    if (asked.size === 0) answered();
  };
  page.on("request", (request) => asked.add(request));
  page.on("requestfinished", end);
  page.on("requestfailed", end);
  // A refusal whose body nobody reads is never finished.
  page.on("response", (response) => response.status() >= 400 && end(response.request()));
  return async () => {
    do {
      if (asked.size > 0) {
        await new Promise((resolve, reject) => {
          answered = resolve;
          setTimeout(() => reject(new Error(`no answer: ${[...asked].map((each) => each.url())}`)), 60_000).unref();
        });
      }
      await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    } while (asked.size > 0);
  };
}

/** Of the reference: one operation with its parameters and answers, as whoever reads it has it before them. */
async function openOperation(page) {
  await page.locator(".opblock-summary-control").first().click();
  await page.locator(".opblock-body .responses-table").first().waitFor();
}
