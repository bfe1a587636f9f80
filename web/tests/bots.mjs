// Sends a bot to a meeting by the page of bots, follows it, sends it away and plays what it brought back; reports what was seen as JSON.
//
//   node web/tests/bots.mjs --url http://127.0.0.1:8000 --meeting http://127.0.0.1:8000/join/… --json OUT.json [--screenshots FOLDER]
//       [--width 390 --height 844] [--dark]
//
// Somebody speaks in the meeting meanwhile. Leaves with 0 when it came to its end; whether what it saw is right is for
// the reader of the report to say.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";

const { values: wish } = parseArgs({
  options: {
    url: { type: "string" },
    meeting: { type: "string" },
    json: { type: "string" },
    screenshots: { type: "string" },
    width: { type: "string", default: "1280" },
    height: { type: "string", default: "800" },
    dark: { type: "boolean", default: false },
  },
});
if (!wish.url || !wish.meeting) {
  console.error("needed: --url (the platform), --meeting (its link)");
  process.exit(2);
}

const browser = await launch({ microphone: false });
const faults = [];
const told = { statuses: [], wider: [] };
try {
  const context = await browser.newContext({
    viewport: { width: Number(wish.width), height: Number(wish.height) },
    colorScheme: wish.dark ? "dark" : "light",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => faults.push(error.message));
  const show = async (name) => {
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wider > 0) told.wider.push([name, wider]);
    if (wish.screenshots) await page.screenshot({ path: join(wish.screenshots, `${name}.png`), fullPage: true });
  };

  await page.goto(`${wish.url}/signup?next=/console/bots`);
  await page.getByLabel("E-mail address").fill(`person-${Math.random().toString(36).slice(2, 10)}@example.org`);
  await page.getByLabel("Name").fill("Grace");
  await page.getByLabel("Password").fill("correct horse battery staple");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/console/bots");
  await page.locator("html[data-phase=ready]").waitFor();
  await show("bots-none");

  await page.getByLabel("Meeting", { exact: true }).fill(wish.meeting);
  await page.getByLabel("Records").selectOption("audio_only");
  await page.getByRole("button", { name: "Send bot" }).click();
  const status = page.locator("#bots .tag").first();
  const until = async (words) => {
    await page.locator("#bots .tag").filter({ hasText: words }).first().waitFor();
    told.statuses.push(await status.textContent());
  };
  await until("In the meeting");
  await page.locator(".bot__word").first().waitFor();
  told.speaker = await page.locator(".bot__passage strong").first().textContent();
  await show("bots-attending");
  await page.getByRole("button", { name: "Remove Notetaker" }).click();
  await page.getByRole("button", { name: "Remove now? Notetaker" }).click();
  await until("Completed");
  const media = page.locator("audio.bot__media");
  await media.waitFor();
  await page.waitForFunction(() => document.querySelector("audio.bot__media").readyState >= 1);
  const word = page.locator(".bot__word").nth(2);
  told.word = { text: await word.textContent(), start: Number(await word.getAttribute("data-start")) };
  await word.click();
  await page.waitForFunction((start) => Math.abs(document.querySelector("audio.bot__media").currentTime - start) < 3, told.word.start);
  told.length = await media.evaluate((element) => element.duration);
  told.text = await page.locator(".bot__transcript").innerText();
  told.chat = await page.locator(".bot__lines li").allInnerTexts();
  await show("bots-completed");

  // By the keyboard: the first passage plays from its start.
  await page.locator(".bot__time").first().focus();
  await page.keyboard.press("Enter");
  const first = Number(await page.locator(".bot__time").first().getAttribute("data-start"));
  await page.waitForFunction((start) => Math.abs(document.querySelector("audio.bot__media").currentTime - start) < 3, first);
} finally {
  await browser.close();
}
told.faults = faults;
if (wish.json) await writeFile(wish.json, JSON.stringify(told));
