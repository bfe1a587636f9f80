// Measures the console in Chromium: until a page is ready, what its script weighs on the way, how a list of many rows scrolls.
//
//   node web/tests/figures.mjs --url http://127.0.0.1:8000 --key pk_… --json OUT.json [--rounds 5]
//
// Times are milliseconds of the page's own clock. A task over 50 ms is what a person feels as a jerk.
import { writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";

const { values: wish } = parseArgs({
  options: { url: { type: "string" }, key: { type: "string" }, json: { type: "string" }, rounds: { type: "string", default: "5" } },
});
if (!wish.url || !wish.key) {
  console.error("needed: --url (the platform), --key (an API key)");
  process.exit(2);
}

const browser = await launch({ microphone: false });
const told = { pages: {}, scroll: {} };
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  await page.addInitScript(() => {
    window.__tasks = [];
    new PerformanceObserver((list) => window.__tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask", buffered: true });
    window.__shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.__shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  const ready = () => page.locator("html[data-phase=ready]").waitFor();
  // As a first load is: nothing is kept from the page before.
  const wire = await context.newCDPSession(page);
  await wire.send("Network.setCacheDisabled", { cacheDisabled: true });
  let scripts = [];
  page.on("response", (response) => {
    if (response.url().endsWith(".js")) scripts.push(response.body().then((body) => gzipSync(body).length));
  });

  await page.goto(`${wish.url}/console/sessions#key=${wish.key}`);
  await ready();
  const paths = await page.locator("a.menu__link").evaluateAll((links) => links.map((link) => new URL(link.href).pathname));
  for (const path of paths.filter((each) => each.startsWith("/console"))) {
    const [times, shifts] = [[], []];
    for (let round = 0; round < Number(wish.rounds); round += 1) {
      await page.goto("about:blank");
      scripts = [];
      await page.goto(wish.url + path);
      await ready();
      times.push(await page.evaluate(() => performance.now()));
      shifts.push(await page.evaluate(() => window.__shift));
    }
    const weights = await Promise.all(scripts);
    times.sort((a, b) => a - b);
    told.pages[path] = { ready: times[Math.floor(times.length / 2)], script: weights.reduce((sum, each) => sum + each, 0), shift: Math.max(...shifts) };
  }

  await page.goto(`${wish.url}/console/sessions`);
  await ready();
  await page.evaluate(() => {
    window.__tasks.length = 0;
  });
  told.scroll = await page.evaluate(async () => {
    const body = document.querySelector(".long__body");
    let most = 0;
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const end = performance.now() + 10_000;
    let by = 240;
    while (performance.now() < end) {
      body.scrollTop += by;
      if (body.scrollTop + body.clientHeight >= body.scrollHeight - 1) by = -2400;
      if (body.scrollTop === 0) by = 2400;
      most = Math.max(most, document.querySelectorAll("*").length);
      await frame();
    }
    return { rows: Number(body.getAttribute("aria-rowcount")) - 1, most, tasks: window.__tasks.filter((each) => each > 50), reached: body.scrollTop };
  });
} finally {
  await browser.close();
}
if (wish.json) await writeFile(wish.json, JSON.stringify(told));
