// Reads the reference of a running platform as a person would, tries one request there, and reports it as JSON.
//
//   node web/tests/docs.mjs --url 'http://127.0.0.1:8000/docs' --key pk_… [--operations 300] [--screenshot OUT.png] [--width 390 --height 844] [--dark]
//
// Leaves with 0 when the request was answered 200 in the page.
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";

const { values: wish } = parseArgs({
  options: {
    url: { type: "string" },
    key: { type: "string" },
    tag: { type: "string", default: "Agents" },
    operation: { type: "string", default: "list_agents" },
    operations: { type: "string", default: "0" },
    screenshot: { type: "string" },
    width: { type: "string", default: "1280" },
    height: { type: "string", default: "800" },
    dark: { type: "boolean", default: false },
  },
});
if (!wish.url || !wish.key) {
  console.error("needed: --url (the page /docs) and --key (pk_…)");
  process.exit(2);
}

/** As high as the window is while the whole is read: fewer are the times that it is drawn anew. */
const HIGH = 4_000;

/**
 * How many operations are seen by whoever scrolls to the end: only those near the window are drawn. Where it is known how many there
 * are, they are read once.
 */
async function readThrough(page) {
  const seen = new Set();
  await page.setViewportSize({ width: Number(wish.width), height: HIGH });
  for (let before = -1; seen.size > before && seen.size !== Number(wish.operations); ) {
    before = seen.size;
    await page.evaluate(() => scrollTo(0, 0));
    for (let atEnd = false; !atEnd; ) {
      atEnd = await page.evaluate(async () => {
        scrollBy(0, innerHeight / 2);
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        return scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
      });
      for (const id of await page.locator(".opblock").evaluateAll((blocks) => blocks.map(({ id }) => id))) seen.add(id);
    }
  }
  await page.setViewportSize({ width: Number(wish.width), height: Number(wish.height) });
  await page.evaluate(() => scrollTo(0, 0));
  return seen.size;
}

const browser = await launch({ microphone: false });
const faults = [];
const elsewhere = [];
let report = { status: null };
try {
  const page = await browser.newPage({
    viewport: { width: Number(wish.width), height: Number(wish.height) },
    colorScheme: wish.dark ? "dark" : "light",
  });
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("request", (request) => {
    const asked = new URL(request.url());
    if (asked.protocol.startsWith("http") && asked.origin !== new URL(wish.url).origin) elsewhere.push(asked.origin);
  });
  await page.goto(wish.url);
  await page.getByLabel("API key").fill(wish.key);
  const operation = page.locator(`.opblock[id$="-${wish.operation}"]`);
  await page.locator(".opblock").first().waitFor({ timeout: 30_000 });
  const operations = await readThrough(page);
  await page.getByPlaceholder("Filter by tag").fill(wish.tag);
  await operation.waitFor({ timeout: 30_000 });
  await operation.locator(".opblock-summary-control").click();
  await operation.getByRole("button", { name: "Execute" }).click();
  const live = operation.locator(".live-responses-table");
  await live.waitFor({ timeout: 15_000 });
  report = {
    operations,
    status: Number(((await live.locator(".response-col_status").nth(1).textContent()) ?? "").trim().slice(0, 3)),
    body: (await live.locator(".highlight-code").first().textContent()) ?? "",
    overflow: await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
  };
  if (wish.screenshot) await page.screenshot({ path: wish.screenshot });
} catch (error) {
  faults.push(String(error));
} finally {
  await browser.close();
}
console.log(JSON.stringify({ ...report, faults, elsewhere }, null, 1));
process.exit(report.status === 200 ? 0 : 1);
