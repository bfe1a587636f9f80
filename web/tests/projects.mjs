// Works in another project of the account: chosen in the menu, kept by the tab, named by every request, on pages that a key opens, too, until the
// session is over; reports what was seen as JSON.
//
//   node web/tests/projects.mjs --url http://127.0.0.1:8000 --email E --password P --json OUT.json [--screenshots FOLDER]
//       [--width 390 --height 844] [--dark]
//
// The account has two projects, of which the second is called Second.
import { logIn, ready, visit, wishes } from "./visit.mjs";

const wish = wishes(["email", "password"]);

await visit(wish, async ({ page, show, told }) => {
  const choice = page.getByLabel("Project", { exact: true }).and(page.locator("select"));
  const open = async () => {
    const menu = page.getByRole("button", { name: "Menu" });
    if (await menu.isVisible()) await menu.click();
    await choice.waitFor();
  };
  await logIn(page, wish.url, wish.email, wish.password, "/console/agents");
  told.first = await page.locator("main").innerText();
  told.talks = [await talk()];
  told.monitors = [await monitor()];
  await page.goto(`${wish.url}/console/agents`);
  await ready(page);
  await open();
  await show("projects");
  await choice.selectOption({ label: "Second" });
  await page.waitForURL("**/console");
  await ready(page);
  await page.goto(`${wish.url}/console/agents`);
  await ready(page);
  told.second = await page.locator("main").innerText();
  await open();
  told.chosen = await choice.evaluate((each) => each.selectedOptions[0].textContent);
  told.talks.push(await talk());
  await show("talk");
  told.monitors.push(await monitor());
  await show("monitor");
  await page.goto(`${wish.url}/docs`);
  told.tried = await page.getByText("You are logged in: none is needed here.").textContent();
  await page.evaluate(() => sessionStorage.setItem("parley.key", "pk_revoked"));
  told.monitors.push(await monitor());

  await page.evaluate(() => fetch("/api/v1/auth/logout", { method: "POST" }));
  await page.goto(`${wish.url}/monitor`);
  await page.getByLabel("API key").waitFor();
  told.door = await page.locator("main:visible").innerText();
  await show("door");
  await page.getByRole("link", { name: "Log in" }).click();
  await page.getByLabel("E-mail address").fill(wish.email);
  await page.getByLabel("Password").fill(wish.password);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/monitor");
  told.monitors.push(await rooms());

  /** Whom the page of calls calls for somebody who has logged in: it asks for no key. */
  async function talk() {
    await page.goto(`${wish.url}/talk`);
    await page.locator("html[data-phase=idle], html[data-phase=key]").waitFor();
    return page.locator("main").innerText();
  }

  /** What the monitor shows to somebody who has logged in. */
  async function monitor() {
    await page.goto(`${wish.url}/monitor`);
    return rooms();
  }

  async function rooms() {
    await page.locator("html[data-phase=live], html[data-phase=key]").waitFor();
    await page.getByRole("option").nth(1).or(page.getByLabel("API key")).filter({ visible: true }).first().waitFor();
    return page.locator("main:visible").innerText();
  }
});
