// Runs an account by the console: webhooks, keys, settings and the way from page to page; reports what was seen as JSON.
//
//   node web/tests/operate.mjs --url http://127.0.0.1:8000 --email E --password P --receiver http://127.0.0.1:9000/hook
//       --json OUT.json [--screenshots FOLDER] [--width 390 --height 844] [--dark]
//
// At the receiver somebody answers 200. Leaves with 0 when it came to its end; whether what it saw is right is for the
// reader of the report to say.
import { logIn, ready, visit, wishes } from "./visit.mjs";

const wish = wishes(["email", "password", "receiver"]);

await visit(wish, async ({ page, show, told }) => {
  const button = (name) => page.getByRole("button", { name, exact: true });
  const dialog = page.getByRole("dialog");
  const inDialog = (name) => dialog.getByRole("button", { name, exact: true }).click();
  const secret = async () => {
    const words = await page.locator(".made code").first().textContent();
    await button("I have kept it").click();
    return words;
  };

  // Webhooks: nothing yet, an endpoint, a test of it, what was sent.
  await logIn(page, wish.url, wish.email, wish.password, "/console/webhooks");
  told.none = await page.locator(".empty__title").textContent();
  await show("webhooks-none");
  await button("Add the first endpoint").click();
  await dialog.getByLabel("Address").fill(wish.receiver);
  await dialog.getByLabel("Events", { exact: true }).selectOption("chosen");
  await inDialog("Add endpoint");
  told.no_events = await dialog.locator(".notice__title").textContent();
  for (const event of ["session.started", "meeting.started", "test"]) await dialog.getByLabel(event, { exact: true }).check();
  await show("webhooks-add");
  await inDialog("Add endpoint");
  await dialog.waitFor({ state: "detached" });
  await page.locator(".made code").waitFor();
  await show("webhooks-made");
  told.webhook_secret = (await secret()).slice(0, 6);
  await button("Send a test").click();
  await page.locator(".test-results li").waitFor();
  told.test = await page.locator(".test-results .tag").allTextContents();
  await show("webhooks");
  await page.getByRole("link", { name: "What was sent" }).click();
  await page.waitForURL("**/deliveries/*");
  await ready(page);
  told.body = JSON.parse(await page.locator("section[aria-labelledby=body] code").innerText()).event_type;
  told.headers = await page.locator(".headers dt").allTextContents();
  told.answer = await page.locator(".attempt pre").first().innerText();
  await show("delivery");
  const tested = page.url();
  await button("Send again").click();
  await page.waitForURL((address) => address.href !== tested && address.pathname.includes("/deliveries/"));
  await page.locator("dd .tag", { hasText: "Delivered" }).waitFor();
  told.repeats = await page.getByRole("link", { name: /^delivery \d+$/ }).textContent();
  await page.getByRole("link", { name: "All deliveries" }).click();
  await page.locator(".long__space .long__row").nth(1).waitFor();
  await show("endpoint");
  told.deliveries = await page.locator(".long__space .long__row").count();
  await page.getByLabel("State").selectOption("failed");
  told.filtered = await page.locator(".long .empty__title").textContent();
  await page.getByLabel("State").selectOption("");
  await page.locator(".long__space .long__row").first().waitFor();
  await button("New secret").click();
  await inDialog("Make a new secret");
  await page.locator(".made code").waitFor();
  told.rotated = (await secret()).slice(0, 6);
  await button("Replay").click();
  await dialog.getByLabel("Begin").selectOption("event");
  await dialog.getByLabel("After event").fill("0");
  await show("endpoint-replay");
  await inDialog("Replay");
  const said = page.locator("section[aria-label='The endpoint'] [role=status]");
  await said.filter({ hasText: "on the way" }).waitFor();
  told.replayed = await said.textContent();
  await button("Switch off").click();
  await inDialog("Switch off");
  await button("Switch on").waitFor();
  told.off = await page.locator(".facts .tag").first().textContent();
  await button("Switch on").click();
  await button("Switch off").waitFor();

  // By the keyboard alone: to the keys.
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Go to" }).waitFor();
  await page.keyboard.type("e");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.type("ys");
  told.palette = await page.locator("#palette-list li").allTextContents();
  await show("palette");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("api keys");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/console/keys");
  await ready(page);
  told.focus = await page.evaluate(() => document.activeElement?.textContent);
  await button("Create a key").click();
  await dialog.getByLabel("Label").fill("Reporting");
  await dialog.getByLabel("It may").selectOption("areas");
  await dialog.getByLabel("sessions", { exact: true }).selectOption("read");
  await dialog.getByLabel("Until").selectOption("30");
  await show("keys-create");
  await inDialog("Create key");
  await page.locator(".made code").first().waitFor();
  await show("keys-made");
  await page.getByRole("button", { name: "Copy key" }).click();
  const copied = await page.evaluate(async () => {
    for (let looks = 0; looks < 600; looks += 1) {
      const text = await navigator.clipboard.readText();
      if (text !== "") return text;
      await new Promise((later) => setTimeout(later, 100));
    }
    return "";
  });
  told.copied = copied.slice(0, 3);
  told.snippet = (await page.locator(".snippets code").first().textContent()).includes("pk_");
  await secret();
  const row = page.getByRole("row", { name: /Reporting/ });
  told.key = (await row.innerText()).replace(/\s+/g, " ");
  await page.getByRole("button", { name: "Revoke Reporting" }).click();
  await page.getByRole("button", { name: "Revoke for good? Reporting" }).click();
  await page.getByRole("row", { name: /Reporting.*Revoked/ }).waitFor();
  await show("keys");

  // Settings, tab by tab; the address says which.
  const tab = async (name) => {
    await page.getByRole("tab", { name }).click();
    await page.getByRole("tabpanel").filter({ visible: true }).locator("h2").first().waitFor();
  };
  await page.goto(`${wish.url}/account`);
  await ready(page);
  told.account_is_at = new URL(page.url()).pathname;
  await page.locator("#panel-profile").getByLabel("Name", { exact: true }).fill("Grace & Co");
  await button("Save").click();
  await page.getByText("Saved.").waitFor();
  await show("settings-profile");
  await tab("Project");
  await page.getByLabel("Project name").fill("Bicycles");
  await page.getByLabel("Pages that may call the API").fill("app.example.org");
  await button("Save project").click();
  told.bad_origin = await page.locator("#panel-project .notice__title").textContent();
  await page.getByLabel("Pages that may call the API").fill("https://app.example.org");
  await button("Save project").click();
  await page.locator("#panel-project").getByText("Saved.").waitFor();
  await show("settings-project");
  await page.locator("#panel-project").getByRole("link", { name: "Privacy" }).click();
  await page.waitForURL("**/console/privacy");
  await ready(page);
  await page.getByLabel("Keep conversations for days").fill("90");
  await button("Save").click();
  await inDialog("Delete what is older");
  await page.locator("#panel-kept").getByText("Saved.").waitFor();
  await page.goto(`${wish.url}/console/settings?tab=project`);
  await ready(page);
  await tab("Provider keys");
  await button("Add a key of Azure").click();
  await dialog.getByLabel("Key of Azure").fill("a-secret-of-azure");
  await dialog.getByLabel("Region").fill("westeurope");
  await inDialog("Keep it");
  await page.getByRole("row", { name: /Azure.*Kept since.*westeurope/ }).waitFor();
  told.shows_secret = (await page.content()).includes("a-secret-of-azure");
  await show("settings-providers");
  await page.getByRole("button", { name: "Remove the key of Azure" }).click();
  await page.getByRole("button", { name: "Remove for good? the key of Azure" }).click();
  await button("Add a key of Azure").waitFor();
  await tab("Members");
  const members = page.locator("#panel-members");
  await members.getByLabel("Role of").selectOption("member");
  told.last_owner = await members.locator(".notice__title").textContent();
  await members.getByLabel("E-mail address").fill("ada@example.org");
  await members.getByLabel("Name").fill("Ada");
  await button("Add member").click();
  const ada = members.getByRole("row", { name: /ada@example.org/ });
  await ada.waitFor();
  const changed = page.waitForResponse((response) => response.request().method() === "PATCH");
  await members.getByLabel("Role of ada@example.org").selectOption("owner");
  await changed;
  await show("settings-members");
  await page.reload();
  await ready(page);
  told.tab_after_reload = await page.getByRole("tab", { selected: true }).textContent();
  told.role = await members.getByLabel("Role of ada@example.org").inputValue();
  await members.getByRole("button", { name: "Remove ada@example.org" }).click();
  await members.getByRole("button", { name: "Remove for good? ada@example.org" }).click();
  await ada.waitFor({ state: "detached" });
  await tab("Support access");
  await button("Generate a key").click();
  await page.locator("#support .made code").waitFor();
  told.support_key = (await page.locator("#support .made code").textContent()).slice(0, 4);
  await page.locator("#support tbody tr").waitFor();
  await show("settings-support");
  await page.getByRole("tab", { name: "Support access" }).press("Home");
  told.by_arrows = await page.getByRole("tab", { selected: true }).textContent();

  // The endpoint goes.
  await page.goto(`${wish.url}/console/webhooks`);
  await page.getByRole("link", { name: wish.receiver }).click();
  await page.locator(".long__space .long__row").first().waitFor();
  await button("Delete").click();
  await inDialog("Delete");
  await page.waitForURL("**/console/webhooks");
  await page.locator(".empty__title").waitFor();
});
