// Watches a scripted session on the monitor page of a running platform and reports what was seen as JSON.
//
//   node web/tests/monitor.mjs --url http://127.0.0.1:8000 --key pk_… [--json OUT.json] [--screenshots FOLDER]
//       [--width 390 --height 844] [--dark]
//
// Leaves with 0 when it came to its end; whether what it saw is right is for the reader of the report to say.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";

const { values: wish } = parseArgs({
  options: {
    url: { type: "string" },
    key: { type: "string" },
    json: { type: "string" },
    screenshots: { type: "string" },
    width: { type: "string", default: "1280" },
    height: { type: "string", default: "800" },
    dark: { type: "boolean", default: false },
  },
});
if (!wish.url || !wish.key) {
  console.error("needed: --url (the platform) and --key (pk_…)");
  process.exit(2);
}
const WAIT = { timeout: 60_000 };

/** Calls the API as a customer's own agent server does. */
async function api(method, path, body) {
  const headers = { "X-API-Key": wish.key, "Content-Type": "application/json" };
  const response = await fetch(`${wish.url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

const room = `shown-${Math.random().toString(36).slice(2, 8)}`;
const say = (speaker, content, more = {}) => api("POST", `/sessions/${room}/transcript`, { speaker, content, ...more });

const browser = await launch({ microphone: false });
const report = { room, faults: [], addresses_with_key: [] };
try {
  const context = await browser.newContext({
    viewport: { width: Number(wish.width), height: Number(wish.height) },
    colorScheme: wish.dark ? "dark" : "light",
  });
  const page = await context.newPage();
  const note = (address) => {
    if (address.includes(wish.key)) report.addresses_with_key.push(address);
  };
  page.on("console", (message) => {
    if (message.type() === "error") report.faults.push(message.text());
  });
  page.on("pageerror", (error) => report.faults.push(error.message));
  page.on("request", (request) => note(request.url()));
  // The sockets of the page go through the test's hands, so that it can cut them.
  const sockets = [];
  await page.routeWebSocket(/\/ws\/monitor/, (socket) => {
    note(socket.url());
    socket.connectToServer();
    sockets.push(socket);
  });
  // A ticket may be held back, so that the page stays cut off for as long as the test wants.
  let release = Promise.resolve();
  await page.route("**/api/v1/monitor/tickets", async (route) => {
    await release;
    await route.continue();
  });
  const picture = (name) => wish.screenshots && page.screenshot({ path: join(wish.screenshots, `${name}.png`) });
  const lines = () =>
    page.locator("[data-line]").evaluateAll((items) =>
      items.map((item) => ({
        speaker: item.dataset.speaker,
        final: item.dataset.final === "true",
        text: item.querySelector(".line__words").textContent,
      })),
    );
  const shown = (text) => page.locator("[data-line]", { hasText: text }).first().waitFor(WAIT);
  const live = () => page.locator("html[data-phase=live]").waitFor(WAIT);

  await page.goto(`${wish.url}/monitor`);
  await page.getByLabel("API key").waitFor(WAIT);
  await picture("key");
  await page.getByLabel("API key").fill(wish.key);
  await page.getByRole("button", { name: "Continue" }).click();
  await live();
  report.address = page.url();
  report.invitation = await page.getByRole("link", { name: "Talk to a persona" }).getAttribute("href", WAIT).catch(() => null);
  await picture("quiet");

  await api("POST", "/sessions", { room_name: room, agent_config_id: 1 });
  const began = Date.now();
  const option = page.getByRole("option", { name: room });
  await option.waitFor(WAIT);
  await say("agent", "Hello, this is Robin of Maple Street Bicycles. How can I help you?");
  await shown("Hello, this is Robin");
  // Interim and final versions of a line tell when it began to be spoken.
  const timestamp_ms = Date.now() - began;
  await say("user", "How long is the", { is_final: false, timestamp_ms });
  await shown("How long is the");
  await say("user", "How long is the warranty", { is_final: false, timestamp_ms });
  await shown("How long is the warranty");
  await picture("interim");
  report.interim = await lines();
  await say("user", "How long is the warranty on a repair?", { timestamp_ms });
  await page.locator("[data-line][data-speaker=you][data-final=true]").waitFor(WAIT);
  report.final = await lines();

  await page.getByRole("listbox", { name: "Rooms open now" }).focus();
  await page.keyboard.press("End");
  await page.keyboard.press("Home");
  for (let step = 0; step < 50 && (await page.getByRole("heading", { level: 1 }).textContent()) !== room; step += 1) {
    await page.keyboard.press("ArrowDown");
  }
  report.chosen = await page.getByRole("heading", { level: 1 }).textContent();

  let letGo;
  release = new Promise((resolve) => {
    letGo = resolve;
  });
  await sockets.at(-1).close();
  await page.locator("html[data-phase=reconnecting]").waitFor(WAIT);
  for (const text of ["Every repair has a warranty of six months.", "Is there anything else?"]) await say("agent", text);
  await picture("reconnecting");
  letGo();
  await live();
  await shown("Is there anything else?");
  await say("user", "No, thank you.");
  await shown("No, thank you.");
  report.after_cut = await lines();
  report.read_out = await page.locator("[role=log]").textContent();
  await picture("room");

  await page.reload();
  await live();
  await page.getByRole("option", { name: room }).click();
  await shown("No, thank you.");
  report.after_reload = await lines();

  await api("POST", `/sessions/${room}/end`, {});
  await page.locator("[data-event='session.ended']").waitFor(WAIT);
  report.ended = await page.locator("[data-event='session.ended'] .happening__text").textContent();
  await picture("ended");
  report.wider_than_window = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);

  const { api_key: short } = await api("POST", "/api-keys", { label: "monitor page" });
  await page.goto("about:blank");
  await page.goto(`${wish.url}/monitor#key=${short.key}`);
  await live();
  await api("DELETE", `/api-keys/${short.id}`);
  await page.getByLabel("API key").waitFor(WAIT);
  report.revoked = await page.locator(".notice__title").textContent();
  await picture("revoked");
} finally {
  await browser.close();
}
const text = JSON.stringify(report, null, 2);
if (wish.json) await writeFile(wish.json, text);
console.log(text);
