// Tries an agent with what is written in the editor and not saved, then with its published version; reports what was seen as JSON.
//
//   node web/tests/trials.mjs --url http://127.0.0.1:8000 --key pk_… --agent ID --json OUT.json [--screenshots FOLDER]
//       [--width 390 --height 844] [--dark]
//
// The agent is published. Leaves with 0 when it came to its end; whether what it saw is right is for the reader of the
// report to say.
import { ready, visit, wishes } from "./visit.mjs";

const wish = wishes(["key", "agent"]);

await visit(wish, async ({ page, show, told }) => {
  const tab = (name) => page.getByRole("tab", { name, exact: true }).click();
  const said = (words) => page.locator('.line[data-speaker="persona"]').filter({ hasText: words }).first().waitFor();
  const button = (name) => page.getByRole("button", { name, exact: true });
  const end = async () => {
    await button("End").click();
    await page.getByRole("status").filter({ hasText: "Ended after" }).waitFor();
  };

  await page.goto(`${wish.url}/console/agents/${wish.agent}#key=${wish.key}`);
  await ready(page);
  const greeting = await page.getByLabel("Greeting").inputValue();
  await tab("Try");
  told.published_only = await page.locator(".try .section__hint").first().textContent();

  // What is written, as it is.
  await tab("Settings");
  await page.getByLabel("Greeting").fill("Good evening {{guest}}, this is not saved.");
  await tab("Try");
  told.choices = await page.getByLabel("You talk to").locator("option").allTextContents();
  told.draft = await page.locator(".try .section__hint").first().textContent();
  await page.getByLabel("guest").fill("Grace");
  await show("try-draft");
  await button("Write").click();
  await said("Good evening Grace, this is not saved.");
  await show("try-draft-written");
  await end();

  // As callers hear it.
  await page.getByLabel("You talk to").selectOption("published");
  told.published = await page.locator(".try .section__hint").first().textContent();
  await button("Write").click();
  await said(greeting.slice(0, 12));
  await end();

  // What cannot be is said beside its field.
  await tab("Settings");
  await page.getByLabel("Temperature").fill("9");
  await tab("Try");
  await page.getByLabel("You talk to").selectOption("draft");
  await button("Write").click();
  await page.locator("#set-temperature-problem").filter({ hasText: /\w/ }).waitFor();
  told.tab = await page.getByRole("tab", { selected: true }).textContent();
  told.problem = await page.locator("#set-temperature-problem").textContent();
  told.why = await page.locator(".agent-form .notice__title").textContent();
  await show("try-refused");
  await button("Discard").click();
  told.discarded = await page.getByLabel("Greeting").inputValue() === greeting;
});
