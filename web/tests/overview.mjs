// Uses the console's pages of figures as a person would: the overview, usage and cost, the audit log; reports what was seen as JSON.
//
//   node web/tests/overview.mjs --url http://127.0.0.1:8000 --key pk_… [--new-key pk_…] --json OUT.json [--screenshots FOLDER]
//       [--width 390 --height 844] [--dark] [--zone Europe/Berlin]
//
// `--key` is of a project with conversations, `--new-key` of one without. Leaves with 0 when it came to its end; whether what it
// saw is right is for the reader of the report to say.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";

const { values: wish } = parseArgs({
  options: {
    url: { type: "string" },
    key: { type: "string" },
    "new-key": { type: "string" },
    json: { type: "string" },
    screenshots: { type: "string" },
    width: { type: "string", default: "1440" },
    height: { type: "string", default: "900" },
    zone: { type: "string", default: "Europe/Berlin" },
    dark: { type: "boolean", default: false },
  },
});
if (!wish.url || !wish.key) {
  console.error("needed: --url (the platform), --key (an API key)");
  process.exit(2);
}

const browser = await launch({ microphone: false });
const told = { wider: [], faults: [] };
try {
  const context = await browser.newContext({
    viewport: { width: Number(wish.width), height: Number(wish.height) },
    colorScheme: wish.dark ? "dark" : "light",
    timezoneId: wish.zone,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => told.faults.push(error.message));
  const show = async (name) => {
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wider > 0) told.wider.push([name, wider]);
    if (wish.screenshots) await page.screenshot({ path: join(wish.screenshots, `${name}.png`), fullPage: true });
  };
  const ready = () => page.locator("html[data-phase=ready]").waitFor();
  const open = async (path) => {
    await page.goto(`${wish.url}${path}`);
    await ready();
  };
  const go = async (words) => {
    const menu = page.getByRole("button", { name: "Menu" });
    if (await menu.isVisible()) await menu.click();
    await page.getByRole("navigation", { name: "Console" }).getByRole("link", { name: words, exact: true }).click();
    await page.getByRole("heading", { level: 1, name: words }).waitFor();
    await ready();
  };
  const cells = (table) => table.locator("tbody tr").evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));

  // A new project: what to do first, and what of it is done.
  if (wish["new-key"]) {
    await open(`/console#key=${wish["new-key"]}`);
    await page.getByRole("heading", { name: "Nothing has been said here yet" }).waitFor();
    told.steps = await page.locator(".step__title").allTextContents();
    told.next = await page.locator(".step .button--action").textContent();
    await show("first_steps");
    await page.getByRole("link", { name: told.next, exact: true }).click();
    await page.waitForURL((url) => url.pathname !== "/console");
    told.stepped = new URL(page.url()).pathname;
    await page.evaluate(() => sessionStorage.clear());
  }

  // The overview: tiles, and the figures behind the pictures.
  await open(`/console#key=${wish.key}`);
  await page.reload();
  await ready();
  const tiles = async () =>
    Object.fromEntries(await page.locator(".tile").evaluateAll((all) => all.map((tile) => [tile.children[0].textContent, tile.children[1].textContent])));
  await page.getByText("Calls now").waitFor();
  told.tiles = await tiles();
  told.compared = await page.locator(".tile__words").allTextContents();
  await show("overview");
  await page.getByLabel("Shown").selectOption("7d");
  const chart = page.getByRole("figure", { name: "Conversations over time" });
  await page.waitForFunction(() => document.querySelectorAll("#conversations tbody tr").length === 7);
  told.range = new URL(page.url()).search;
  told.week = await cells(chart.locator("table"));
  told.reasons = await page.locator("#failures .chart__name").allTextContents();
  told.latency = (await cells(page.locator("#latency table"))).at(-1);

  // A call begins while somebody looks.
  const calls = Number(told.tiles["Calls now"]);
  const headers = { "X-API-Key": wish.key, "Content-Type": "application/json" };
  const room_name = `watched-${Math.random().toString(36).slice(2, 8)}`;
  const begun = await fetch(`${wish.url}/api/v1/sessions`, { method: "POST", headers, body: JSON.stringify({ room_name }) });
  if (!begun.ok) throw new Error(await begun.text());
  await page.locator(".tile[data-state=live] .tile__figure", { hasText: String(calls + 1) }).waitFor();
  told.live = (await tiles())["Calls now"] === String(calls + 1);
  await fetch(`${wish.url}/api/v1/sessions/${room_name}/end`, { method: "POST", headers });

  // From what failed last, one click to the conversation.
  const failed = page.getByRole("table", { name: "Conversations that failed last" });
  told.failed = (await cells(failed)).map(([room, agent, why]) => [room, agent, why]);
  await failed.getByRole("link").first().click();
  await page.waitForURL(/\/console\/sessions\/\d+$/);
  await page.goBack();
  await ready();

  // All that failed: narrowed, searched, and told by the address.
  await page.locator(".tile__link", { hasText: "Failed today" }).click();
  await page.waitForURL(/\/console\/sessions\?outcome=failed$/);
  const sessions = page.getByRole("table", { name: "Sessions" });
  const rowsAre = (many) => page.waitForFunction((rows) => document.querySelector(".long__body")?.getAttribute("aria-rowcount") === rows, String(many + 1));
  await rowsAre(10);
  await page.getByLabel("Search").fill("call-27");
  await rowsAre(1);
  told.found = await sessions.locator(".long__space .long__row").allTextContents();
  told.searched = new URL(page.url()).search;

  // What it cost: by model, by service; a budget is set and taken back.
  await go("Usage and cost");
  const costs = page.locator("#costs .table");
  await costs.waitFor();
  told.sum = await page.locator(".usage__sum strong").textContent();
  told.models = (await cells(costs)).map(([name, cost, share]) => [name, cost, share]);
  await page.getByRole("meter").first().waitFor();
  await page.getByRole("table", { name: "Transactions" }).or(page.getByText("Nothing was charged yet")).waitFor();
  await page.getByLabel("By", { exact: true }).selectOption("service");
  await page.getByRole("table", { name: "Cost by service" }).waitFor();
  told.services = (await cells(page.getByRole("table", { name: "Cost by service" }))).map(([name, cost]) => [name, cost]);
  await page.getByRole("button", { name: "Set a budget" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Dollars a month").fill("50");
  await dialog.getByLabel("Warn at").fill("75");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  const month = page.getByRole("meter", { name: "This month" });
  await month.waitFor();
  told.budget = await month.getAttribute("aria-valuetext");
  told.warned = await page.locator("#budget .section__hint").textContent();
  await show("usage");
  await page.locator("#budget").getByRole("button", { name: "Remove" }).click();
  await dialog.getByRole("button", { name: "Remove" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Set a budget" }).waitFor();

  // Who changed what: both changes of the budget are there; read on, and narrowed.
  await go("Audit log");
  const trail = page.getByRole("table", { name: "Changes" });
  await trail.waitFor();
  told.newest = (await cells(trail)).slice(0, 2).map(([, who, what]) => [who, what]);
  const status = page.locator("#trail").getByRole("status");
  told.first = await status.textContent();
  await page.getByRole("button", { name: "Older" }).click();
  await page.waitForFunction((before) => document.querySelector("#trail [role=status]")?.textContent !== before, told.first);
  told.then = await status.textContent();
  await page.getByLabel("Kind").selectOption("DELETE");
  await page.getByLabel("Action").fill("agents");
  await page.waitForURL(/search=agents/);
  await page.waitForFunction(() => [...document.querySelectorAll("#trail tbody tr")].every((row) => row.textContent.includes("DELETE")));
  told.deleted = (await cells(trail)).length;
  told.narrowed = new URL(page.url()).search;
  await trail.locator("summary").first().click();
  told.details = await trail.locator("dl").first().innerText();
  await show("audit");
  await page.getByLabel("Action").fill("nothing of the kind");
  await page.getByText("No such change").waitFor();

  // The address alone leads back to the same.
  await open("/console/audit?kind=DELETE&search=agents");
  await trail.waitFor();
  told.reopened = (await cells(trail)).length;
} catch (error) {
  const [page] = browser.contexts().flatMap((context) => context.pages());
  if (wish.screenshots && page) await page.screenshot({ path: join(wish.screenshots, "stopped.png") });
  throw error;
} finally {
  await browser.close();
  if (wish.json) await writeFile(wish.json, JSON.stringify(told, null, 2));
}
