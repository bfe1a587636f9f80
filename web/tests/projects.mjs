// Works in another project of the account: chosen in the menu, kept by the tab, named by every request; reports what was seen as JSON.
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

  /** Whom the page of calls calls for somebody who has logged in: it asks for no key. */
  async function talk() {
    await page.goto(`${wish.url}/talk`);
    await page.locator("html[data-phase=idle], html[data-phase=key]").waitFor();
    return page.locator("main").innerText();
  }
});
