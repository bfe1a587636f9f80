// Uses the button on pages of other sites, against a running platform, and reports what visitors saw and heard as JSON.
//
//   node web/tests/embed.mjs --server http://127.0.0.1:8000 --livekit ws://127.0.0.1:7880 --key ek_… --port 8500 --wav QUESTION.wav
//       [--once ek_…] [--owner pk_…] [--json OUT.json] [--shots FOLDER]
//
// The key must be open to http://127.0.0.2:PORT, the site of the scenes; `--once` is a key for one call an hour, `--owner`
// an API key with which the console makes another. The site has a strict policy and rules of its own that hit every element. Scenes: speak, write,
// phone, api, denied, limit, origin, policy, inline, console.
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { launch, watch } from "./browser.mjs";

const AUDIBLE = 0.01;
const PATIENCE = 30_000;

const { values: wish } = parseArgs({
  options: {
    server: { type: "string" },
    livekit: { type: "string" },
    key: { type: "string" },
    once: { type: "string" },
    owner: { type: "string" },
    port: { type: "string" },
    wav: { type: "string" },
    json: { type: "string" },
    shots: { type: "string" },
  },
});
const { server, key } = wish;
const livekit = [wish.livekit, wish.livekit.replace(/^ws/, "http")].join(" ");
const STRICT = `default-src 'none'; script-src 'self' ${server}; connect-src ${server} ${livekit}; style-src 'self'; base-uri 'none'`;

const UGLY = `
  * { font-family: "Comic Sans MS", cursive !important; color: purple !important; letter-spacing: 2px; }
  html { font-size: 9px; background: repeating-linear-gradient(45deg, #ff0, #ff0 20px, #f0f 20px, #f0f 40px); }
  body { margin: 40px; transform: none; }
  button, textarea, div, section { border: 6px dotted lime !important; background: orange; width: 60%; text-transform: uppercase; }
  h1 { font-size: 60px; }`;
const API = `
  window.told = [];
  document.querySelector("#go").addEventListener("click", () => {
    const call = Parley.call({ key: "${key}", mode: "text", variables: { name: "Ada" } });
    window.call = call;
    for (const event of ["state", "transcript", "error", "ended"]) call.on(event, (detail) => window.told.push({ event, ...detail }));
  });`;
const FILES = {
  "/ugly.css": ["text/css", UGLY],
  "/api.js": ["text/javascript", API],
  "/": ["text/html", page(`data-agent="${key}"`)],
  "/voice": ["text/html", page(`data-agent="${key}" data-mode="voice"`)],
  "/text": ["text/html", page(`data-agent="${key}" data-mode="text" data-accent="#ffd400" data-position="bottom-left"`)],
  "/dark": ["text/html", page(`data-agent="${key}" data-mode="text" data-theme="dark"`)],
  "/once": ["text/html", page(`data-agent="${wish.once}" data-mode="text"`)],
  "/inline": ["text/html", page(`data-agent="${key}" data-position="inline" data-label="Ask our expert"`)],
  "/api": ["text/html", page("", `<button id="go">Go</button><script defer src="/api.js"></script>`)],
};

function page(attributes, more = "") {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
    <title>A shop</title><link rel="stylesheet" href="/ugly.css">
    <h1>Buy kettles!!!</h1><p>Repaired kettles, new kettles, blue kettles.</p>${more}
    <script src="${server}/embed.js" ${attributes}></script></html>`;
}

function site(port, policy) {
  const made = createServer((request, response) => {
    const [kind, text] = FILES[new URL(request.url, "http://site").pathname] ?? ["text/plain", ""];
    response.writeHead(200, { "Content-Type": kind, "Content-Security-Policy": policy }).end(text);
  });
  return new Promise((ready) => made.listen(port, "127.0.0.2", () => ready(made)));
}

const sites = [
  await site(Number(wish.port), STRICT),
  await site(0, STRICT), // another port: another origin
  await site(0, STRICT.replace(/connect-src [^;]*/, "connect-src 'self'")),
];
const [home, foreign, closed] = sites.map((made) => `http://127.0.0.2:${made.address().port}`);
const browser = await launch({ microphone: resolve(wish.wav) });
const report = { faults: [], broken: [] };

/** A new visitor on a page; `expected` faults of the console are not counted. */
async function visit(address, { width = 1280, height = 800, dark = false, denied = false, expected = false } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    permissions: ["microphone"],
    reducedMotion: width < 500 ? "reduce" : "no-preference",
  });
  const tab = await context.newPage();
  tab.setDefaultTimeout(PATIENCE);
  const asked = [];
  tab.on("request", (request) => asked.push(request.url()));
  tab.on("console", (message) => {
    if (message.type() === "error" && !expected) report.faults.push(`${address}: ${message.text()}`);
  });
  tab.on("pageerror", (error) => report.faults.push(`${address}: ${error.message}`));
  await tab.addInitScript(watch, { rawMicrophone: true });
  if (denied) {
    await tab.addInitScript(() => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
    });
  }
  await tab.goto(address);
  return { tab, asked, context };
}

const launcher = (tab) => tab.locator("parley-button .launcher");
const line = (tab, speaker) => tab.locator(`parley-button .line[data-speaker="${speaker}"][data-final="true"]`);
const notice = async (tab) => {
  await tab.locator("parley-button .notice").waitFor();
  return tab.locator("parley-button .notice").innerText();
};
const lines = (tab) =>
  tab.locator("parley-button .line").evaluateAll((items) => items.map((item) => ({ speaker: item.dataset.speaker, text: item.textContent })));
const shoot = (tab, name) => (wish.shots ? tab.screenshot({ animations: "disabled", path: join(wish.shots, `${name}.png`) }) : undefined);
const inCall = (tab) => tab.locator('parley-button .panel[data-state="call"]').waitFor();

const scenes = {
  speak,
  write: () => write("/text", {}, "write-light"),
  phone: () => write("/dark", { width: 390, height: 844 }, "write-phone-dark"),
  api,
  denied: () => refusal(`${home}/voice`, { denied: true }, "denied"),
  limit,
  origin: () => refusal(`${foreign}/voice`, { expected: true }, "origin"),
  policy: () => refusal(`${closed}/voice`, { expected: true }, "policy"),
  inline,
  ...(wish.owner ? { console: ownersConsole } : {}),
};
try {
  for (const [name, play] of Object.entries(scenes)) {
    try {
      report[name] = await play();
    } catch (error) {
      const page = browser.contexts().flatMap((context) => context.pages()).at(-1);
      const words = await page?.locator("body").innerText();
      report.broken.push(`${name}: ${error.message}\n${words?.slice(-1_500)}`);
    }
  }
} finally {
  await browser.close();
  for (const made of sites) made.close();
}
const text = JSON.stringify(report, null, 2);
if (wish.json) await writeFile(wish.json, text);
console.log(text);
process.exitCode = report.broken.length > 0 ? 1 : 0;

async function speak() {
  const { tab, asked, context } = await visit(home);
  await launcher(tab).getByText(/^Talk to /).waitFor();
  await shoot(tab, "idle-light");
  const before = asked.filter((url) => url.startsWith(server));
  await launcher(tab).click();
  await shoot(tab, "welcome-light");
  await tab.getByRole("button", { name: "Speak" }).click();
  await inCall(tab);
  await line(tab, "visitor").first().waitFor();
  await line(tab, "agent").nth(1).waitFor();
  await shoot(tab, "speak-light");
  const box = await tab.locator("parley-button .panel").boundingBox();
  await tab.getByRole("button", { name: "Mute" }).click();
  const muted = await tab.getByRole("button", { name: "Unmute" }).getAttribute("aria-pressed");
  await tab.keyboard.press("Escape");
  const hidden = await launcher(tab).innerText();
  await launcher(tab).click();
  await tab.getByRole("button", { name: "Hang up" }).click();
  await tab.getByRole("button", { name: "Call again" }).waitFor();
  const said = await lines(tab);
  const sound = await tab.evaluate(() => window.__seen.sound);
  const styles = await tab.locator("parley-button .launcher").evaluate((node) => {
    const { fontFamily, borderTopStyle, textTransform, color } = getComputedStyle(node);
    return { fontFamily, borderTopStyle, textTransform, color };
  });
  await context.close();
  const loud = sound.filter(([, level]) => level > AUDIBLE).length * 0.04;
  const later = asked.filter((url) => url.startsWith(server) && !before.includes(url));
  return { before, later, lines: said, loud_seconds: loud, muted, hidden, styles, width: box.width };
}

async function write(path, look, name) {
  const { tab, context } = await visit(home + path, look);
  await launcher(tab).getByText(/^Chat with /).waitFor();
  await launcher(tab).click();
  await inCall(tab);
  await line(tab, "agent").first().waitFor();
  const box = tab.getByRole("textbox", { name: "Your message" });
  await box.fill("How long is the warranty on a repair?");
  await box.press("Enter");
  await line(tab, "agent").nth(1).waitFor();
  await shoot(tab, name);
  const panel = await tab.locator("parley-button .panel").boundingBox();
  const focused = await tab.evaluate(() => document.querySelector("parley-button").shadowRoot.activeElement?.className);
  await tab.getByRole("button", { name: "End", exact: true }).click();
  await tab.getByRole("button", { name: "Write again" }).waitFor();
  const said = await lines(tab);
  const sound = await tab.evaluate((audible) => window.__seen.sound.filter(([, level]) => level > audible).length, AUDIBLE);
  await context.close();
  return { lines: said, sound, panel, focused };
}

async function api() {
  const { tab, context } = await visit(`${home}/api`);
  await tab.locator("#go").click();
  await tab.waitForFunction(() => window.told.some(({ event, speaker, final }) => event === "transcript" && speaker === "agent" && final));
  await tab.evaluate(() => window.call.send("How long is the warranty on a repair?"));
  await tab.waitForFunction(() => window.told.filter(({ event, speaker, final }) => event === "transcript" && speaker === "agent" && final).length > 1);
  await tab.evaluate(() => window.call.end());
  await tab.waitForFunction(() => window.told.some(({ event }) => event === "ended"));
  const told = await tab.evaluate(() => window.told);
  await context.close();
  return told;
}

async function refusal(address, look, name) {
  const { tab, context } = await visit(address, look);
  await launcher(tab).click();
  const said = await notice(tab);
  await shoot(tab, name);
  await context.close();
  return said;
}

async function limit() {
  const { tab, context } = await visit(`${home}/once`, { expected: true });
  await launcher(tab).getByText(/^Chat with /).waitFor();
  await launcher(tab).click();
  await inCall(tab);
  await tab.getByRole("button", { name: "End", exact: true }).click();
  await tab.getByRole("button", { name: "Write again" }).click();
  const said = await notice(tab);
  await shoot(tab, "limit");
  await context.close();
  return said;
}

async function ownersConsole() {
  const { tab, context } = await visit(`${server}/console/embed#key=${wish.owner}`, { width: 1440, height: 900 });
  await tab.getByRole("button", { name: "New button" }).click();
  await tab.getByLabel("Name", { exact: true }).fill("Kettles");
  await tab.getByLabel("Sites").fill(`${home}/shop?x=1`);
  await tab.getByLabel("Visitors talk").selectOption("text");
  await tab.getByLabel("A colour of your own").check();
  await tab.getByLabel("Colour of the button").fill("#aa3366");
  await shoot(tab, "console-dialog");
  await tab.getByRole("button", { name: "Make the button" }).click();
  const card = tab.getByRole("region", { name: "Kettles" });
  await card.getByRole("button", { name: /^Chat with / }).waitFor();
  await shoot(tab, "console-light");
  const snippet = await card.locator("pre").first().innerText();
  const colour = await card.locator(".launcher").evaluate((node) => getComputedStyle(node).backgroundColor);
  await card.getByRole("button", { name: "Switch off Kettles" }).click();
  await card.getByText("Switched off").waitFor();
  await tab.setViewportSize({ width: 390, height: 844 });
  await tab.emulateMedia({ colorScheme: "dark" });
  await shoot(tab, "console-phone-dark");
  const wide = await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await card.getByRole("button", { name: "Delete Kettles" }).click();
  await card.getByRole("button", { name: /^Delete it/ }).click();
  await card.waitFor({ state: "detached" });
  await context.close();
  return { snippet, colour, wide };
}

async function inline() {
  const { tab, context } = await visit(`${home}/inline`, { width: 390, height: 844 });
  await launcher(tab).getByText("Ask our expert").waitFor();
  await launcher(tab).click();
  await shoot(tab, "inline-phone");
  const first = await launcher(tab).boundingBox();
  await context.close();
  return first;
}
