// A supervisor's work on the live page of a running platform, reported as JSON.
//
//   node web/tests/live.mjs --url http://127.0.0.1:8000 --key pk_… --room r [--json OUT.json] [--screenshots FOLDER]
//       [--width 390 --height 844] [--dark]
//
// The caller is somebody else's: what they are to say is written to stdout as `ask: …`, and where they are to look at
// what they hear, `look: …`; a line on stdin says that it was done.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";

const { values: wish } = parseArgs({
  options: {
    url: { type: "string" },
    key: { type: "string" },
    room: { type: "string" },
    json: { type: "string" },
    screenshots: { type: "string" },
    width: { type: "string", default: "1440" },
    height: { type: "string", default: "900" },
    dark: { type: "boolean", default: false },
  },
});
if (!wish.url || !wish.key || !wish.room) {
  console.error("needed: --url (the platform), --key (pk_…) and --room");
  process.exit(2);
}
const WAIT = { timeout: 30_000 };
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has the caller do something; comes back when they have. */
async function caller(what, words) {
  console.log(`${what}: ${words}`);
  await answers.next();
}

const browser = await launch({ microphone: true });
const report = { faults: [] };
let shown = null;
try {
  const context = await browser.newContext({
    viewport: { width: Number(wish.width), height: Number(wish.height) },
    colorScheme: wish.dark ? "dark" : "light",
    permissions: ["microphone"],
  });
  const page = await context.newPage();
  shown = page;
  page.on("console", (message) => {
    // LiveKit's client complains of the channels of a room that the server closed, as it does with the one for whispers.
    if (message.type() === "error" && !/data ?channel/i.test(message.text())) report.faults.push(message.text());
  });
  page.on("pageerror", (error) => report.faults.push(error.message));
  const shot = async (name) => {
    if (wish.screenshots) await page.screenshot({ path: join(wish.screenshots, `${name}.png`) });
  };
  const lines = (speaker) =>
    page.$$eval(`[data-line][data-speaker="${speaker}"][data-final="true"] .line__words`, (found) => found.map((each) => each.textContent));
  const said = (speaker, words) =>
    page.locator(`[data-line][data-speaker="${speaker}"][data-final="true"]`, { hasText: words }).last().waitFor(WAIT);
  const microphone = () => page.locator(".modes__microphone").innerText();
  const mode = async (name) => {
    await page.locator(`.mode[data-mode="${name}"][aria-pressed="true"]`).waitFor(WAIT);
    await page.locator('.mode[data-mode="listen"]:not([disabled])').waitFor(WAIT); // it is connected
  };

  await page.goto(`${wish.url}/console/live#key=${encodeURIComponent(wish.key)}`);
  const row = page.locator(`.calls__row[data-room="${wish.room}"]`);
  await row.waitFor(WAIT);
  await shot("list");
  await row.click();
  await page.locator("[data-line]").first().waitFor(WAIT);
  report.before = await microphone();
  // What is said can be read without scrolling, whatever the size of the window.
  report.words_in_sight = await page.locator(".call__words .log").evaluate((feed) => {
    const { top, bottom } = feed.getBoundingClientRect();
    return Math.round(Math.min(bottom, innerHeight) - Math.max(top, 0));
  });

  await page.locator('.mode[data-mode="listen"]').click();
  await mode("listen");
  await page.locator('.level[data-side="persona"]').waitFor({ ...WAIT, state: "attached" });
  report.listening = await microphone();
  await caller("ask", "When are you open on Saturdays?");
  await page.locator('.level[data-side="persona"][data-speaks="true"]').waitFor(WAIT);
  report.ring = await page.locator(".ring").getAttribute("data-state");
  await shot("listening");
  await page.locator(".turn").first().waitFor(WAIT);
  await caller("look", "listening");

  await caller("ask", "What does the delivery of a bicycle to my home cost?");
  await page.waitForFunction((count) => document.querySelectorAll('[data-line][data-speaker="persona"][data-final="true"]').length > count, (await lines("persona")).length, WAIT);
  report.without_hint = (await lines("persona")).at(-1);
  await page.locator("#hint").fill("The delivery of a bicycle to your home costs forty dollars.");
  await page.locator("#hint").press("Enter");
  await page.locator(".modes__sent", { hasText: "Whispered" }).waitFor(WAIT);
  await caller("ask", "What does the delivery of a bicycle to my home cost?");
  await said("persona", "forty dollars");
  report.with_hint = (await lines("persona")).at(-1);
  await page.locator("h1").click(); // out of the field: keys choose
  await page.keyboard.press("2");
  await mode("whisper");
  report.whispering = await microphone();
  await shot("whispering");
  await caller("look", "whispering");

  await page.keyboard.press("4");
  await mode("takeover");
  await page.locator('.ring[data-state="silent"]').waitFor(WAIT);
  report.taken = await microphone();
  await caller("look", "taken");
  await shot("taken");
  const before = (await lines("persona")).length;
  await caller("ask", "Is my bicycle ready?");
  await said("you", "Is my bicycle ready?");
  await page.keyboard.press("5");
  await mode("listen");
  report.given_back = await microphone();
  await caller("look", "given back");
  report.answered_in_takeover = (await lines("persona")).length - before;
  await caller("ask", "Do you repair electric bicycles?");
  await page.waitForFunction((count) => document.querySelectorAll('[data-line][data-speaker="persona"][data-final="true"]').length > count, before, WAIT);
  report.goes_on = (await lines("persona")).at(-1);
  await page.locator("button", { hasText: "Stop listening" }).click();
  report.after = await microphone();
  await shot("left");
  report.wider_than_window = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
} catch (error) {
  if (wish.screenshots) await shown?.screenshot({ path: join(wish.screenshots, "failed.png") });
  console.error(JSON.stringify(report), shown?.url(), (await shown?.locator("body").innerText().catch(() => ""))?.slice(0, 600));
  throw error;
} finally {
  await browser.close();
}
if (wish.json) await writeFile(wish.json, JSON.stringify(report, null, 2));
else console.log(`report: ${JSON.stringify(report)}`);
process.exit(0);
