// Builds an agent by the pages of the console: makes it, changes it, is refused, publishes, compares, goes back; reports what was seen as JSON.
//
//   node web/tests/agents.mjs --url http://127.0.0.1:8000 --key pk_… --json OUT.json [--screenshots FOLDER] [--width 390 --height 844] [--dark]
//   node web/tests/agents.mjs --url … --key … --json OUT.json --try ID [--microphone QUESTION.wav]
//
// With `--try` it talks to an agent instead, in writing and by voice. Leaves with 0 when it came to its end; whether
// what it saw is right is for the reader of the report to say.
import { ready, visit, wishes } from "./visit.mjs";

const wish = wishes(["key"], ["try", "microphone"]);

await visit(wish, wish.try ? talk : build, { microphone: wish.microphone });

async function build({ page, show, told }) {
  const tab = (name) => page.getByRole("tab", { name }).click();
  const save = async () => {
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByText("Saved", { exact: true }).waitFor();
  };
  const tags = () => page.locator(".agent-state .tag").allTextContents();
  const dialog = page.getByRole("dialog");

  await page.goto(`${wish.url}/console/agents#key=${wish.key}`);
  await ready(page);
  await page.getByRole("heading", { name: "No agents yet" }).waitFor();
  await show("agents-none");

  await page.getByRole("button", { name: "New agent" }).first().click();
  await dialog.getByLabel("Name").fill("Ada");
  await dialog.getByLabel("Begin with").selectOption("reception");
  await show("agents-new", false);
  await dialog.getByRole("button", { name: "Create" }).click();
  await page.waitForURL("**/console/agents/*");
  await ready(page);
  told.name = await page.getByRole("heading", { level: 1 }).textContent();
  told.greeting = await page.getByLabel("Greeting").inputValue();
  told.variables = await page.locator(".agent-variables").textContent();
  told.first_tags = await tags();
  await show("agent-settings");

  // What the server refuses is said beside its field, and nothing is saved.
  await page.getByLabel("Longest call (s)").fill("5");
  await page.getByLabel("Language").fill("not a language");
  await page.getByRole("button", { name: "Add a request" }).click();
  const tool = page.getByRole("group", { name: "HTTP request" });
  await tool.getByLabel("Address").fill("https://example.org/orders");
  await tool.getByLabel("Name").fill("find order");
  await tool.getByLabel("When to use it").fill("Where an order is.");
  await tool.getByLabel("Parameters").fill('{"type": "object", ');
  await page.getByLabel("Fallback number").fill("775 123");
  await page.getByRole("textbox", { name: "Numbers it may transfer to" }).fill("+17755550123 Sales\n+12 Nobody");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.locator("#set-language[aria-invalid=true]").waitFor();
  told.problems = {
    language: await page.locator("#set-language-problem").textContent(),
    fallback: await page.locator("#set-fallback_number-problem").textContent(),
    numbers: await page.locator("#set-transfer_numbers-problem").textContent(),
    longest: await page.locator("#set-max_call_duration-problem").textContent(),
    parameters: await tool.locator(".field__problem").last().textContent(),
    tool: await tool.locator(".field").filter({ hasText: "Letters, digits" }).locator(".field__problem").textContent(),
    focused: await page.evaluate(() => document.activeElement?.id),
  };
  await show("agent-refused");

  // Leaving with changes is asked about; staying keeps them.
  await page.evaluate(() => document.querySelector('.side a[href="/console/sessions"]').click());
  await dialog.getByRole("heading", { name: "Leave without saving?" }).waitFor();
  await show("agent-leave", false);
  await page.keyboard.press("Escape");
  told.stayed = await page.getByLabel("Longest call (s)").inputValue();
  await page.goBack();
  await dialog.getByRole("heading", { name: "Leave without saving?" }).waitFor();
  await page.keyboard.press("Escape");
  told.still_at = new URL(page.url()).pathname;

  await page.getByLabel("Longest call (s)").fill("900");
  await page.getByLabel("Language").fill("en-GB");
  await page.getByLabel("Fallback number").fill("+17755550199");
  await page.getByRole("textbox", { name: "Numbers it may transfer to" }).fill("+1 (775) 555-0123 Sales\n\n+17755550188");
  await tool.getByLabel("Name").fill("find_order");
  await tool.getByLabel("Parameters").fill('{"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]}');
  const telephone = page.getByRole("region", { name: "Telephone" });
  await telephone.getByLabel("Message on the machine").fill("Ada of {{company}} called.");
  await telephone.getByRole("switch", { name: "Listen for answering machines" }).check();
  await page.getByRole("switch", { name: "End the call" }).check();
  await page.getByRole("button", { name: "Add a fallback for answers" }).click();
  await page.getByRole("group", { name: "Fallbacks for answers" }).getByLabel("Model").fill("small-model");
  await page.getByLabel("Limit a month (US$)").fill("25");
  await page.getByRole("checkbox", { name: /Helpdesk/ }).check();
  await save();

  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await dialog.getByLabel("What is different?").fill("The first one");
  await dialog.getByRole("button", { name: "Publish" }).click();
  await dialog.waitFor({ state: "hidden" });
  told.published_tags = await tags();

  // Where the knowledge bases cannot be told, the page does not say that there are none, and keeps those that were chosen.
  const bases = "**/api/v1/knowledge-bases*";
  await page.route(bases, (route) => route.fulfill({ status: 503, json: { error: "The database is away", code: "UNAVAILABLE" } }));
  await page.reload();
  await ready(page);
  await page.locator(".agent-bases .section__empty").waitFor();
  told.bases_untold = await page.locator(".agent-bases").innerText();
  await page.unroute(bases);
  await page.reload();
  await ready(page);

  await page.getByLabel("Instructions").fill((await page.getByLabel("Instructions").inputValue()).replace("One or two short sentences", "One short sentence"));
  await page.getByLabel("Longest call (s)").fill("600");
  await page.getByRole("textbox", { name: "Numbers it may transfer to" }).fill("+17755550123 Sales");
  await page.keyboard.press("Control+s");
  await page.getByText("Saved", { exact: true }).waitFor();
  told.changed_tags = await tags();
  await tab("Versions");
  await page.getByRole("heading", { name: "What differs" }).waitFor();
  told.differs = await page.locator(".diff__name").allTextContents();
  told.removed = (await page.locator('.diff__line[data-kind="removed"] del').allTextContents()).join("|");
  told.added = (await page.locator('.diff__line[data-kind="added"] ins').allTextContents()).join("|");
  await show("agent-versions");

  await page.getByRole("button", { name: "Publish", exact: true }).click();
  told.announced = await dialog.locator(".section__hint").textContent();
  await dialog.getByLabel("What is different?").fill("Briefer");
  await show("agent-publish", false);
  await dialog.getByRole("button", { name: "Publish" }).click();
  await dialog.waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "Roll back to version 1" }).click();
  await show("agent-rollback", false);
  await dialog.getByRole("button", { name: "Roll back" }).click();
  await dialog.waitFor({ state: "hidden" });
  await page.locator(".agent-state .tag", { hasText: "Version 1" }).waitFor();
  told.rolled_back_tags = await tags();
  await tab("Settings");
  told.rolled_back = await page.getByLabel("Longest call (s)").inputValue();
  told.numbers = await page.getByRole("textbox", { name: "Numbers it may transfer to" }).inputValue();
  told.fallback = await page.getByLabel("Fallback number").inputValue();
  await show("agent-numbers");
  await tab("Try");
  await show("agent-try");
  await page.goto(`${wish.url}/console/agents`);
  await ready(page);
  await page.getByRole("link", { name: "Ada" }).waitFor();
  await show("agents");

  // A copy is another agent: it is deleted, and the one it came from stays.
  await page.getByRole("link", { name: "Ada" }).click();
  await ready(page);
  await page.getByRole("button", { name: "Make a copy" }).click();
  await page.getByRole("heading", { level: 1, name: "Ada (copy)" }).waitFor();
  await page.getByRole("button", { name: "Delete this agent" }).click();
  await page.getByRole("button", { name: "Delete for good? this agent" }).click();
  await page.waitForURL("**/console/agents");
  await ready(page);
  told.left = await page.locator(".agent-card__link").allTextContents();
}

async function talk({ page, show, told }) {
  /** Until the persona has said something with these words. */
  const answered = (words) => page.locator('.line[data-speaker="persona"]').filter({ hasText: words }).first().waitFor();

  await page.goto(`${wish.url}/console/agents/${wish.try}?tab=try#key=${wish.key}`);
  await ready(page);
  await page.getByRole("button", { name: "Write" }).click();
  await page.getByLabel("Your line").fill("How long is the warranty on a repair?");
  await page.getByLabel("Your line").press("Enter");
  await answered(/warranty|months|years/i);
  told.written = await page.locator(".line__words").allTextContents();
  await show("try-written");
  await page.getByRole("button", { name: "End", exact: true }).click();
  await page.getByRole("status").filter({ hasText: "Ended after" }).waitFor();
  told.no_sound = await page.evaluate(() => window.__seen.sound.every(([, level]) => level < 0.01));

  await page.getByRole("button", { name: "Talk" }).click();
  await page.locator('.line[data-speaker="you"][data-final="true"]').first().waitFor();
  await answered(/warranty|months|years/i);
  told.spoken = await page.locator('.line[data-speaker="you"]').first().innerText();
  await show("try-spoken");
  await page.getByRole("button", { name: "Mute" }).click();
  await page.getByRole("button", { name: "Unmute" }).waitFor();
  await page.getByRole("button", { name: "Hang up" }).click();
  await page.getByRole("link", { name: "See its conversations" }).click();
  await ready(page);
  told.sessions = await page.locator(".long__space .long__row").count();
}
