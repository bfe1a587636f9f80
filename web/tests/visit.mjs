// A person's visit to the pages: Chromium at a size, light or dark; what went wrong meanwhile, and what was wider than the window.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launch, watch } from "./browser.mjs";

const LOOK = {
  url: { type: "string" },
  json: { type: "string" },
  screenshots: { type: "string" },
  width: { type: "string", default: "1280" },
  height: { type: "string", default: "800" },
  dark: { type: "boolean", default: false },
};

/** What the command line asks for: the look, and further options, of which some are needed. */
export function wishes(needed = [], optional = []) {
  const further = [...needed, ...optional].map((name) => [name, { type: "string" }]);
  const { values } = parseArgs({ options: { ...LOOK, ...Object.fromEntries(further) } });
  const missing = ["url", ...needed].filter((name) => !values[name]);
  if (missing.length > 0) {
    console.error(`needed: ${missing.map((name) => `--${name}`).join(", ")}`);
    process.exit(2);
  }
  return values;
}

/**
 * Opens a browser, does the task and leaves with what it told as JSON; with 0 when it came to its end.
 * `microphone`: a WAV file that the browser hears again and again, untreated; without one it has no devices.
 * `instead`: as for `launch`.
 */
export async function visit(wish, task, { microphone = false, instead = {} } = {}) {
  const browser = await launch({ microphone, loop: true, instead });
  const told = { wider: [], foreign: [], violations: [], faults: [] };
  let hasFailed = false;
  try {
    const context = await browser.newContext({
      viewport: { width: Number(wish.width), height: Number(wish.height) },
      colorScheme: wish.dark ? "dark" : "light",
      permissions: ["clipboard-read", "clipboard-write", ...(microphone ? ["microphone"] : [])],
      reducedMotion: "reduce",
    });
    if (microphone) await context.addInitScript(watch, { rawMicrophone: true });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    await watchBorders(page, wish.url, told);
    page.on("pageerror", (error) => told.faults.push(error.message));
    page.on("console", (message) => {
      // Chromium itself reports answers that are refusals; which are expected, the reader of the report sees elsewhere.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) told.faults.push(message.text());
    });
    const show = async (name, fullPage = true) => {
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wider > 0) told.wider.push([name, wider]);
      if (wish.screenshots) await page.screenshot({ path: join(wish.screenshots, `${name}.png`), fullPage });
    };
    try {
      await task({ page, context, show, told });
    } catch (error) {
      hasFailed = true;
      told.faults.push(String(error));
      told.stopped = { at: page.url().replace(/#.*/, ""), words: (await page.locator("body").innerText()).slice(0, 3_000) };
      if (wish.screenshots) await page.screenshot({ path: join(wish.screenshots, "failed.png"), fullPage: true });
    }
  } finally {
    await browser.close();
  }
  const report = JSON.stringify(told, null, 2);
  if (wish.json) await writeFile(wish.json, report);
  (hasFailed ? console.error : console.log)(report);
  process.exit(hasFailed ? 1 : 0);
}

/** Notes requests to other servers, and what the page's policy kept from happening. */
export async function watchBorders(page, url, told) {
  const { origin } = new URL(url);
  const home = [origin, origin.replace(/^http/, "ws")];
  const note = (address) => {
    const { protocol, origin: of, pathname } = new URL(address);
    // Without the query: a socket's token stands in it.
    if (!home.includes(of) && !["data:", "blob:", "about:"].includes(protocol)) told.foreign.push(of + pathname);
  };
  page.on("request", (request) => note(request.url()));
  page.on("websocket", (socket) => note(socket.url()));
  await page.exposeFunction("__violated", (what) => told.violations.push(what));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      window.__violated(`${location.pathname}: ${event.effectiveDirective} ${event.blockedURI}`);
    });
  });
}

/** The page is there, with all that it asked for. */
export async function ready(page) {
  await page.locator("html[data-phase=ready]").waitFor();
}

export async function logIn(page, url, email, password, next) {
  await page.goto(`${url}/login?next=${encodeURIComponent(next)}`);
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
  await page.waitForURL(`**${next}`);
  await ready(page);
}
