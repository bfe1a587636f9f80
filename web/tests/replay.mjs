// Hears and reads a recorded session again as a person would, shows it to somebody else, and reports what was seen as JSON.
//
//   node web/tests/replay.mjs --url http://127.0.0.1:8000 --key pk_… --session 7 --json OUT.json [--screenshots FOLDER]
//       [--width 390 --height 844] [--dark]
//
// Leaves with 0 when it came to its end; whether what it saw is right is for the reader of the report to say.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";

const { values: wish } = parseArgs({
  options: {
    url: { type: "string" },
    key: { type: "string" },
    session: { type: "string" },
    json: { type: "string" },
    screenshots: { type: "string" },
    width: { type: "string", default: "1440" },
    height: { type: "string", default: "900" },
    dark: { type: "boolean", default: false },
  },
});
if (!wish.url || !wish.key || !wish.session) {
  console.error("needed: --url (the platform), --key (an API key), --session (one that was recorded)");
  process.exit(2);
}

const look = { viewport: { width: Number(wish.width), height: Number(wish.height) }, colorScheme: wish.dark ? "dark" : "light" };
const browser = await launch({ microphone: true }); // also: no click is needed before sound
const told = { wider: [], faults: [] };

/** Measures what the page's player really plays: how loud, by the Web Audio API. */
function listen() {
  const seen = (window.__heard = { loudest: 0 });
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function (...given) {
    window.__player = this;
    if (this.__context === undefined) {
      const context = (this.__context = new AudioContext());
      const analyser = context.createAnalyser();
      const samples = new Float32Array(analyser.fftSize);
      const source = context.createMediaElementSource(this);
      source.connect(analyser).connect(context.destination);
      setInterval(() => {
        analyser.getFloatTimeDomainData(samples);
        seen.loudest = Math.max(seen.loudest, ...samples.map(Math.abs));
      }, 40);
    }
    return play.apply(this, given);
  };
}

const open = async (address) => {
  const context = await browser.newContext({ ...look, permissions: [] });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => told.faults.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) told.faults.push(message.text());
  });
  await page.addInitScript(listen);
  await page.goto(address);
  return page;
};
const show = async (page, name) => {
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wider > 0) told.wider.push([name, wider]);
  if (wish.screenshots) await page.screenshot({ path: join(wish.screenshots, `${name}.png`) });
};
const at = (page) => page.evaluate(() => window.__player?.currentTime ?? null);

try {
  const page = await open(`${wish.url}/console/sessions/${wish.session}#key=${wish.key}`);
  await page.locator("html[data-phase=ready]").waitFor();
  await page.locator(".lane__wave path").first().waitFor();
  told.lanes = await page.locator(".waves__names span").allTextContents();
  told.lines = await page.locator(".line").count();
  await show(page, "replay");

  // A word of the last answer is clicked: its sound is heard from there, and it is lit.
  const word = page.locator('.line[data-speaker="agent"]').last().locator(".word").nth(1);
  told.word = { ms: Number(await word.getAttribute("data-ms")), text: await word.textContent() };
  await word.click();
  await page.waitForFunction(() => window.__player !== undefined && !window.__player.paused && window.__player.currentTime > 0);
  told.word.at = await at(page);
  await page.waitForFunction(() => window.__heard.loudest > 0.02);
  await page.locator(".word--now").first().waitFor();
  told.word.lit = await page.locator(".line--now .word--now").count();
  told.heard = await page.evaluate(() => window.__heard.loudest);
  await show(page, "playing");

  // Space pauses, arrows go back, a comma to the line before, the waveform anywhere.
  await page.locator(".lines").focus();
  await page.keyboard.press("Space");
  await page.waitForFunction(() => window.__player.paused);
  const paused = await at(page);
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction((before) => window.__player.currentTime < before - 3 || window.__player.currentTime < 0.1, paused);
  const area = await page.locator(".waves__area").boundingBox();
  await page.mouse.click(area.x + area.width / 2, area.y + area.height / 2);
  told.middle = await page.evaluate(() => [window.__player.currentTime, Number(document.querySelector(".waves__area").ariaValueMax)]);
  await page.getByLabel("Pace").selectOption("1.5");
  told.pace = await page.evaluate(() => window.__player.playbackRate);

  // Where the time of an answer went.
  await page.locator(".gap").first().click();
  const answer = page.locator("details.answer[open]").first();
  told.parts = await answer.locator("tbody th").allTextContents();
  told.bars = await answer.locator(".fall__bar").evaluateAll((bars) => bars.map((bar) => Number.parseFloat(bar.style.width)));
  told.sum = Number(await answer.locator("tfoot [data-sum]").getAttribute("data-sum"));
  told.gap = await answer.locator("tfoot .fall__ms").textContent();
  for (const tab of ["Passages", "Tools", "Result"]) {
    await page.getByRole("tab", { name: tab }).click();
    await show(page, tab.toLowerCase());
    told[tab.toLowerCase()] = await page.locator("[role=tabpanel]:not([hidden])").innerText();
  }

  // The same as JSON.
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "JSON" }).click()]);
  told.saved = JSON.parse(await readFile(await download.path(), "utf8")).session.id;

  // A link is made and opened by somebody who has nothing else.
  await page.getByRole("button", { name: "Share", exact: true }).click();
  await page.getByLabel("Opens for").selectOption({ label: "a day" });
  await page.getByRole("button", { name: "Make a link" }).click();
  const link = (await page.locator(".share .code code").textContent()).trim();
  told.link = link.replace(/#.*/, "#…");
  await show(page, "share");
  const guest = await open(link);
  await guest.locator("html[data-phase=ready]").waitFor();
  await guest.locator(".lane__wave path").first().waitFor();
  told.guest = { lines: await guest.locator(".line").count(), costs: await guest.locator(".costs").count(), shares: await guest.locator("#tab-share").count() };
  await show(guest, "guest");
  await guest.getByRole("button", { name: "Play", exact: true }).click();
  await guest.waitForFunction(() => window.__heard.loudest > 0.02);
  told.guest.stored = await guest.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));

  // It is taken back: nobody opens it any more.
  await page.getByRole("button", { name: /^Revoke the link/ }).click();
  await page.getByRole("button", { name: /^Really revoke/ }).click();
  await page.getByText("Revoked").waitFor();
  await guest.reload();
  await guest.locator("html[data-phase=refused]").waitFor();
  told.guest.after = await guest.locator(".empty__title").textContent();
  await show(guest, "over");
  if (wish.json) await writeFile(wish.json, JSON.stringify(told, null, 2));
  console.log(JSON.stringify(told, null, 2));
} finally {
  await browser.close();
}
