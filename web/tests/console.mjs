// Uses the pages of the console as a person would and reports what was seen as JSON.
//
//   node web/tests/console.mjs --url http://127.0.0.1:8000 --json OUT.json [--screenshots FOLDER]
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
    json: { type: "string" },
    screenshots: { type: "string" },
    width: { type: "string", default: "1280" },
    height: { type: "string", default: "800" },
    dark: { type: "boolean", default: false },
  },
});
if (!wish.url) {
  console.error("needed: --url (the platform)");
  process.exit(2);
}
const PASSWORD = "correct horse battery staple";
const email = `person-${Math.random().toString(36).slice(2, 10)}@example.org`;

const browser = await launch({ microphone: false });
const faults = [];
const told = { email, wider: [] };
try {
  const context = await browser.newContext({
    viewport: { width: Number(wish.width), height: Number(wish.height) },
    colorScheme: wish.dark ? "dark" : "light",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const visited = [];
  page.on("framenavigated", (frame) => visited.push(new URL(frame.url())));
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    // Chromium itself reports answers that are refusals; which are expected, the reader of the report sees elsewhere.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) faults.push(message.text());
  });

  const show = async (name) => {
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wider > 0) told.wider.push([name, wider]);
    await page.evaluate(() => scrollTo(0, 0));
    if (wish.screenshots) await page.screenshot({ path: join(wish.screenshots, `${name}.png`), fullPage: true });
  };
  const click = (name) => page.getByRole("button", { name, exact: true }).click();
  const alert = async () => {
    const words = page.locator(".problem .notice__title").first();
    await words.waitFor();
    return words.textContent();
  };

  // A stranger: the home page asks who it is when it is to make a meeting, and makes it right after.
  await page.goto(`${wish.url}/`);
  await page.getByRole("link", { name: "Sign up", exact: true }).first().waitFor();
  await show("home-stranger");
  await page.getByLabel("Meeting id or link").fill("https://elsewhere.example/join/abcd-efgh-jkmn");
  await click("Join");
  told.foreign_link = await alert();
  await click("Create a meeting");
  await page.waitForURL("**/login?next=/");
  await show("login");
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill("a wrong one");
  await page.keyboard.press("Enter");
  told.wrong_password = await alert();
  await page.getByRole("link", { name: "Sign up" }).last().click();
  await page.waitForURL("**/signup?next=/");
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Name").fill("Grace");
  await page.getByLabel("Password").fill(PASSWORD);
  await show("signup");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/join/**");
  const meeting = visited.find(({ pathname }) => pathname.startsWith("/join/")); // the page takes the token out at once
  told.meeting = meeting.pathname;
  told.host_token = new URLSearchParams(meeting.hash.slice(1)).get("admin")?.slice(0, 4) ?? null;
  told.readable_cookies = await page.evaluate(() => document.cookie);

  // Logged in: the code has the key that came with the account.
  await page.goto(`${wish.url}/`);
  await page.getByText(email).first().waitFor({ state: "attached" });
  told.snippet_has_key = (await page.locator(".start__snippets code").first().textContent())?.includes("x-api-key: pk_") ?? false;
  await show("home");
  await page.getByLabel("Meeting id or link").fill(`${wish.url}${meeting.pathname}`);
  await click("Join");
  await page.waitForURL(`**${meeting.pathname}`);

  // The account, in the console: the address of its former page leads to the settings.
  const ready = () => page.locator("html[data-phase=ready]").waitFor();
  const dialog = page.getByRole("dialog");
  const open = async (words) => {
    if (Number(wish.width) < 960) await click("Menu");
    await page.getByRole("navigation").getByRole("link", { name: words, exact: true }).click();
    await page.getByRole("heading", { level: 1, name: words }).waitFor();
    await ready();
  };
  await page.goto(`${wish.url}/account`);
  await ready();
  told.account_is_at = new URL(page.url()).pathname;
  await open("API keys");
  await click("Create a key");
  await dialog.getByLabel("Label").fill("Reporting");
  await dialog.getByRole("button", { name: "Create key", exact: true }).click();
  const key = page.locator(".made code").first();
  await key.waitFor();
  told.key = (await key.textContent())?.slice(0, 3) ?? null;
  await page.getByRole("button", { name: "Copy key" }).click();
  told.copied = (await page.evaluate(() => navigator.clipboard.readText())) === (await key.textContent());
  await page.getByRole("row", { name: /Reporting/ }).waitFor();
  await show("account-keys");
  await page.getByRole("button", { name: "Revoke Reporting" }).click();
  await page.getByRole("button", { name: "Revoke for good? Reporting" }).click();
  await page.getByRole("row", { name: /Reporting.*Revoked/ }).waitFor();
  await open("Webhooks");
  await click("Add an endpoint");
  await dialog.getByLabel("Address").fill("https://example.com/hook");
  await dialog.getByLabel("Events", { exact: true }).selectOption("chosen");
  await dialog.getByLabel("meeting.started").check();
  await dialog.getByRole("button", { name: "Add endpoint", exact: true }).click();
  await page.locator(".made code").waitFor();
  told.webhook_secret = (await page.locator(".made code").textContent())?.slice(0, 6) ?? null;
  await open("Settings");
  await page.getByRole("tab", { name: "Support access" }).click();
  await click("Generate a key");
  await page.locator("#support .made code").waitFor();
  told.support_key = (await page.locator("#support .made code").textContent())?.slice(0, 4) ?? null;
  await show("account");
  await open("Meetings");
  await page.getByRole("tab", { name: "Held by people" }).click();
  const held = page.getByRole("table", { name: "Meetings of people" }).locator(".long__space .long__row");
  await held.first().waitFor();
  told.meetings = await held.count();
  await open("Settings");
  await page.getByRole("tab", { name: "Password" }).click();
  await page.getByLabel("Current password").fill("a wrong one");
  await page.getByLabel("New password").fill("another long sentence");
  await click("Change password");
  told.wrong_current = await alert();
  await page.getByLabel("Current password").fill(PASSWORD);
  await click("Change password");
  await page.getByText("Password changed.").waitFor();

  // The events, with what no key is needed for.
  await page.goto(`${wish.url}/docs/realtime`);
  await page.locator("#monitor dt").first().waitFor();
  told.events = await page.locator(".group dt code").allTextContents();
  await show("realtime");

  // By the keyboard alone: out, and in again with an address that means another server.
  await page.getByRole("link", { name: "Console", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL("**/console");
  await ready();
  if (Number(wish.width) < 960) {
    await page.getByRole("button", { name: "Menu" }).focus();
    await page.keyboard.press("Enter");
  }
  await page.getByRole("button", { name: "Log out" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(`${wish.url}/`);
  await page.getByRole("link", { name: "Log in", exact: true }).first().waitFor();
  told.key_forgotten = !(await page.locator(".start__snippets code").first().textContent())?.includes("pk_");
  await page.goto(`${wish.url}/account`);
  await page.getByRole("link", { name: "Log in", exact: true }).click();
  await page.waitForURL("**/login?next=%2Fconsole%2Fsettings");
  await page.goto(`${wish.url}/login?next=${encodeURIComponent("/.//elsewhere.example/")}`);
  await page.keyboard.type(email);
  await page.keyboard.press("Tab");
  await page.keyboard.type("another long sentence");
  await page.keyboard.press("Enter");
  await page.waitForURL((address) => address.pathname !== "/login");
  told.landed_at = new URL(page.url()).origin;
} catch (error) {
  faults.push(String(error));
} finally {
  await browser.close();
}
const report = JSON.stringify({ ...told, faults }, null, 2);
if (wish.json) await writeFile(wish.json, report);
console.log(report);
process.exit(faults.length === 0 ? 0 : 1);
