// What scenes on the page of a meeting are made of: people with browsers of their own, bots, a network that can be cut.
import { mkdir } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { io } from "socket.io-client";
import { launch } from "./browser.mjs";

export const { values: wish } = parseArgs({
  options: {
    scene: { type: "string", default: "converse" },
    url: { type: "string" },
    livekit: { type: "string" },
    key: { type: "string" },
    json: { type: "string" },
    pictures: { type: "string" },
    wav: { type: "string" },
    dark: { type: "boolean", default: false },
  },
});

export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1280, height: 800 };
export const report = { faults: [], shifts: {}, click_to_usable_ms: {}, steps: [] };
export const browsers = [];

/** Runs in the page before anything else: counts the shifts that nobody asked for. */
function watch() {
  window.__shift = 0;
  window.__shifted = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      window.__shift += entry.value;
      window.__shifted.push([entry.value, ...entry.sources.map((source) => source.node?.className ?? source.node?.nodeName ?? "gone")]);
    }
  }).observe({ type: "layout-shift", buffered: true });
}

/** A network that can be cut: whatever speaks with a port through it loses its line, and gets no new one. */
export async function network(addresses) {
  const lines = new Set();
  const relays = [];
  let cut = false;
  const instead = {};
  for (const address of addresses) {
    const port = Number(new URL(address).port);
    const relay = createServer((near) => {
      near.on("error", () => undefined);
      if (cut) return near.destroy();
      const far = connect(port, "127.0.0.1");
      far.on("error", () => near.destroy());
      far.on("close", () => near.destroy());
      near.on("close", () => far.destroy());
      near.pipe(far).pipe(near);
      lines.add(near);
    });
    await new Promise((ready) => relay.listen(0, "127.0.0.1", ready));
    relays.push(relay);
    instead[port] = relay.address().port;
  }
  return {
    instead,
    cut() {
      cut = true;
      for (const line of lines) line.destroy();
      lines.clear();
    },
    mend() {
      cut = false;
    },
    close() {
      for (const line of lines) line.destroy();
      for (const relay of relays) relay.close();
    },
  };
}

/** A page of somebody's own browser; with a `net` its connections can be cut. */
export async function open(name, address, { viewport = DESKTOP, dark = wish.dark, devices = true, speaks = false, net = null, before = null, faulty = false } = {}) {
  const browser = await launch({ microphone: speaks && wish.wav ? wish.wav : devices, loop: true, instead: net?.instead });
  browsers.push(browser);
  const context = await browser.newContext({
    viewport,
    colorScheme: dark ? "dark" : "light",
    permissions: devices ? ["microphone", "camera", "clipboard-read", "clipboard-write"] : [],
    hasTouch: viewport === PHONE,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("console", (message) => {
    if (message.type() === "error" && net === null && !faulty) report.faults.push(`${name}: ${message.text()}`);
  });
  page.on("pageerror", (error) => report.faults.push(`${name}: ${error.message}`));
  await page.addInitScript(watch);
  if (before !== null) await page.addInitScript(before);
  await page.goto(address);
  return {
    name,
    page,
    async picture(what) {
      if (!wish.pictures) return;
      await mkdir(wish.pictures, { recursive: true });
      await page.screenshot({ path: join(wish.pictures, `${what}-${viewport === PHONE ? "phone" : "desktop"}-${dark ? "dark" : "light"}.png`) });
    },
  };
}

/** Fills in a name, unless the link brings one, and clicks; when that was. */
export async function ask(who, name = null) {
  if (name !== null) await who.page.getByLabel("Your name").fill(name);
  const clicked = Date.now();
  await who.page.getByRole("button", { name: /^(Join|Ask to join)$/ }).click();
  return clicked;
}

/** Waits until one is in and hears; counts the time since the click. */
export async function inMeeting(who, clicked) {
  await who.page.waitForSelector('html[data-phase="meeting"][data-media="up"]', { timeout: 60_000 });
  if (clicked) report.click_to_usable_ms[who.name] = Date.now() - clicked;
}

export function tile(who, name) {
  return who.page.locator(`.tile[aria-label^="${name}"]`);
}

export async function bot(meetingId, name) {
  const socket = io(wish.url, { transports: ["websocket"], forceNew: true });
  const heard = [];
  socket.onAny((event, data) => heard.push([event, data]));
  socket.emit("join-meeting", { meetingId, name });
  const until = async (event, fits = () => true) => {
    const end = Date.now() + 60_000;
    while (Date.now() < end) {
      const found = heard.find(([told, data]) => told === event && fits(data));
      if (found) return found[1];
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${name} never heard ${event}: ${JSON.stringify(heard.map(([told]) => told))}`);
  };
  return { socket, heard, until };
}

export function step(words) {
  report.steps.push(words);
}

export async function make(title, more = {}) {
  const answer = await fetch(`${wish.url}/api/meetings`, {
    method: "POST",
    headers: { "x-api-key": wish.key, "Content-Type": "application/json" },
    body: JSON.stringify({ title, ...more }),
  });
  if (answer.status !== 201) throw new Error(`no meeting: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** The primary API with the project's key. */
export async function api(method, path, body) {
  const answer = await fetch(`${wish.url}/api/v1${path}`, {
    method,
    headers: { "x-api-key": wish.key, "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** What has moved so far on somebody's page without their doing. */
export async function measure(...people) {
  for (const who of people) report.shifts[who.name] = await who.page.evaluate(() => ({ sum: window.__shift, what: window.__shifted }));
}

/** An address of the platform, as this machine reaches it. */
export function here(address) {
  return address.replace(/^https?:\/\/[^/]+/, wish.url);
}
