// Takes pictures of the console's pages: what `make pictures` runs on a platform with some life on it.
//
//   node web/tests/pictures.mjs --url http://127.0.0.1:8000 --key pk_… --named '{"agent": 1, "session": 5}' --folder docs/pictures
//
// Wide in light for each page; the main ones also dark, and as on a phone.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";

const { values: wish } = parseArgs({
  options: { url: { type: "string" }, key: { type: "string" }, named: { type: "string" }, folder: { type: "string" } },
});
if (!wish.url || !wish.key || !wish.folder) {
  console.error("needed: --url (the platform), --key (an API key), --folder");
  process.exit(2);
}
const { agent, session, room } = JSON.parse(wish.named ?? "{}");
const pages = [
  ["overview", "/console", { main: true }],
  ["live", `/console/live/${room}`, { main: true, act: listenIn }],
  ["sessions", "/console/sessions", {}],
  ["replay", `/console/sessions/${session}`, { main: true, act: openAnAnswer }],
  ["agents", "/console/agents", {}],
  ["agent", `/console/agents/${agent}`, { main: true }],
  ["knowledge", "/console/knowledge", {}],
  ["phone", "/console/phone?tab=trunks", {}],
  ["meetings", "/console/meetings", {}],
  ["bots", "/console/bots", {}],
  ["calendars", "/console/calendars", {}],
  ["recordings", "/console/recordings", {}],
  ["embed", "/console/embed", {}],
  ["webhooks", "/console/webhooks", {}],
  ["keys", "/console/keys", {}],
  ["usage", "/console/usage", {}],
  ["audit", "/console/audit", {}],
  ["settings", "/console/settings", {}],
];

/** A supervisor listens, until both have been heard. */
async function listenIn(page) {
  await page.locator("[data-line][data-final=true]").nth(2).waitFor();
  await page.locator('.mode[data-mode="listen"]').click();
  await page.locator('.level[data-side="persona"][data-speaks="true"]').waitFor();
}

/** The waterfall of the second answer, while its sound stands at it. */
async function openAnAnswer(page) {
  await page.locator(".lane__wave path").first().waitFor();
  await page.locator(".gap").nth(1).click();
  await page.locator("details.answer[open]").first().waitFor();
}

const browser = await launch({ microphone: true }); // also: no click is needed before sound
try {
  for (const look of ["light", "dark", "phone"]) {
    const viewport = look === "phone" ? { width: 390, height: 844 } : { width: 1440, height: 900 };
    const context = await browser.newContext({ viewport, colorScheme: look === "dark" ? "dark" : "light", permissions: ["microphone"] });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(`${wish.url}/console#key=${wish.key}`);
    await page.locator("html[data-phase=ready]").waitFor();
    for (const [name, path, { main = false, act }] of pages) {
      if (look !== "light" && !main) continue;
      await page.goto(wish.url + path);
      await page.locator("html[data-phase=ready]").waitFor({ timeout: 30_000 });
      await page.waitForLoadState("networkidle");
      await act?.(page);
      await page.waitForTimeout(300); // what moves comes to rest
      await page.screenshot({ path: join(wish.folder, look === "light" ? `${name}.png` : `${name}-${look}.png`) });
      console.log(name, look);
    }
    await context.close();
  }
} finally {
  await browser.close();
}
