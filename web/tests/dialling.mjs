// Asks to call a number where nobody could talk, and where somebody can; reports what was seen as JSON.
//
//   node web/tests/dialling.mjs --url http://127.0.0.1:8000 --key pk_… --json OUT.json [--screenshots FOLDER]
//       [--width 390 --height 844] [--dark]
import { ready, visit, wishes } from "./visit.mjs";

const wish = wishes(["key"]);
const AGENTS = "**/api/v1/agents*";

await visit(wish, async ({ page, show, told }) => {
  const dialog = page.getByRole("dialog");
  const said = page.locator(".problem .notice__title").first();
  await page.goto(`${wish.url}/console/phone#key=${wish.key}`);
  await ready(page);
  told.said = [];
  for (const answer of [{ status: 503, json: { error: "The database is away", code: "UNAVAILABLE" } }, { json: { agents: [], total: 0, page: 1, total_pages: 0 } }]) {
    await page.route(AGENTS, (route) => route.fulfill(answer));
    await page.getByRole("button", { name: "Call a number" }).click();
    told.said.push(await said.innerText());
    await page.unroute(AGENTS);
  }
  told.dialogs = await dialog.count();
  await show("dialling-nobody");
  await page.getByRole("button", { name: "Call a number" }).click();
  await dialog.getByLabel("Who talks").waitFor();
  told.offered = await dialog.getByLabel("Who talks").locator("option").allTextContents();
  told.left = await said.count();
});
