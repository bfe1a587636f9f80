// Does a caller's task on a running platform and reports what happened as JSON.
//
//   node web/tests/talk.mjs --url 'http://127.0.0.1:8000/talk#key=pk_…' --wav QUESTION.wav --seconds 25
//       [--until WORDS] [--json OUT.json] [--screenshot OUT.png] [--width 390 --height 844] [--dark] [--treated-microphone] [--framed]
//
// `--until` hangs up once a line has these words, however long that takes of the time.
// `--framed` puts the page into a frame of another site and reports what that site is told.
// Leaves with 0 when the persona was heard and its words were shown, with 1 otherwise.
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { launch, watch } from "./browser.mjs";

/** Above this the persona's track carries a voice and not only comfort noise. */
const AUDIBLE = 0.01;

const { values: wish } = parseArgs({
  options: {
    url: { type: "string" },
    wav: { type: "string" },
    seconds: { type: "string", default: "25" },
    until: { type: "string", default: "" },
    json: { type: "string" },
    screenshot: { type: "string" },
    width: { type: "string", default: "1280" },
    height: { type: "string", default: "800" },
    dark: { type: "boolean", default: false },
    "treated-microphone": { type: "boolean", default: false },
    framed: { type: "boolean", default: false },
  },
});
if (!wish.url || !wish.wav) {
  console.error("needed: --url (the talk page, with #key=pk_…) and --wav (what the caller says, 48 kHz mono)");
  process.exit(2);
}

const browser = await launch({ microphone: resolve(wish.wav) });
const faults = [];
const site = createServer();
let report;
try {
  const context = await browser.newContext({
    viewport: { width: Number(wish.width), height: Number(wish.height) },
    colorScheme: wish.dark ? "dark" : "light",
    permissions: ["microphone"],
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(error.message));
  await page.addInitScript(watch, { rawMicrophone: !wish["treated-microphone"] });
  const view = wish.framed ? await frameOn(page, wish.url) : page;
  if (!wish.framed) await page.goto(wish.url);
  await view.waitForSelector('html[data-phase="idle"]', { timeout: 60_000 });
  await view.getByRole("button", { name: /^Call / }).click();

  const end = Date.now() + Number(wish.seconds) * 1000;
  const left = () => Math.max(1, end - Date.now());
  await view
    .waitForFunction(() => ["call", "failed", "ended"].includes(document.documentElement.dataset.phase), undefined, { timeout: left() })
    .catch(() => undefined);
  // The call runs its time, or until it ends by itself, or until what it was made for has been said.
  await view
    .waitForFunction(
      (words) =>
        ["failed", "ended"].includes(document.documentElement.dataset.phase) ||
        (words !== "" && [...document.querySelectorAll("[data-line] .line__words")].some((line) => line.textContent.includes(words))),
      wish.until,
      { timeout: left() },
    )
    .catch(() => undefined);
  if (wish.screenshot) await page.screenshot({ path: wish.screenshot });
  const duringCall = await view.evaluate(() => document.documentElement.dataset.phase);
  const hangUp = view.getByRole("button", { name: "Hang up" });
  if (await hangUp.isVisible()) {
    await hangUp.click();
    await view.waitForSelector('html[data-phase="ended"]', { timeout: 60_000 });
  }

  const seen = await view.evaluate(() => window.__seen);
  const lines = await view.locator("[data-line]").evaluateAll((items) =>
    items.map((item) => ({
      speaker: item.dataset.speaker,
      final: item.dataset.final === "true",
      text: item.querySelector(".line__words").textContent,
    })),
  );
  const problem = await view.locator(".notice__title").allTextContents();
  const since = (at) => (at === undefined || seen.clickedAt === null ? null : at - seen.clickedAt);
  const loud = seen.sound.filter(([, level]) => level > AUDIBLE);
  report = {
    phase_before_hang_up: duringCall,
    problem: problem[0] ?? null,
    click_to_connected_ms: since(seen.phases.find(({ phase }) => phase === "call")?.at),
    click_to_persona_audio_ms: since(loud[0]?.[0]),
    persona_audio: {
      samples: seen.sound.length,
      loud_seconds: Math.round(loud.length * 4) / 100,
      rms_max: Math.max(0, ...seen.sound.map(([, level]) => level)),
    },
    persona_states: [...new Set(seen.phases.map(({ persona }) => persona).filter(Boolean))],
    phases: seen.phases.map((step) => ({ ...step, at: since(step.at) })),
    lines,
    recorded: seen.recorded.map((step) => ({ ...step, at: since(step.at) })),
    site_told: wish.framed ? await page.evaluate(() => window.__told) : null,
    layout_shift: seen.shift,
    faults,
  };
} finally {
  await browser.close();
  site.close();
}
const text = JSON.stringify(report, null, 2);
if (wish.json) await writeFile(wish.json, text);
console.log(text);
const wasHeard = report.persona_audio.rms_max > AUDIBLE && report.lines.some(({ speaker, text: words }) => speaker === "persona" && words !== "");
process.exitCode = wasHeard ? 0 : 1;

/** The talk page in a page of another site. */
async function frameOn(page, address) {
  await new Promise((ready) => site.listen(0, "localhost", ready));
  const origin = `http://localhost:${site.address().port}`;
  const inside = new URL(address);
  await allow(inside, origin);
  inside.searchParams.set("embed", "");
  inside.searchParams.set("origin", origin);
  if (wish.dark) inside.searchParams.set("theme", "dark");
  site.on("request", (_request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(`<!doctype html><title>A shop</title>
      <style>html, body, iframe { width: 100%; height: 100%; margin: 0; border: 0; background: ${wish.dark ? "#1b1b1f" : "#fff"} }</style>
      <script>window.__told = []; addEventListener("message", ({ data }) => window.__told.push(data));</script>
      <iframe allow="microphone; autoplay" src="${inside.href.replaceAll("&", "&amp;")}"></iframe>`);
  });
  await page.goto(origin);
  return (await page.waitForSelector("iframe")).contentFrame();
}

/** Only a site that the project names may show the page in a frame. */
async function allow(address, origin) {
  const headers = { "X-API-Key": new URLSearchParams(address.hash.slice(1)).get("key"), "Content-Type": "application/json" };
  const projects = `${address.origin}/api/v1/projects`;
  const listed = await (await fetch(projects, { headers })).json();
  const body = JSON.stringify({ allowed_origins: [origin] });
  const changed = await fetch(`${projects}/${listed.projects[0].id}`, { method: "PATCH", headers, body });
  if (!changed.ok) throw new Error(`the project does not take the site's origin: ${await changed.text()}`);
}
