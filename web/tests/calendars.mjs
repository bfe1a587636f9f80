// Connects calendars by their page, sends bots to their events and calls them off; reports what was seen as JSON.
//
//   node web/tests/calendars.mjs --url http://127.0.0.1:8000 --key pk_… --feed http://… --caldav http://… --json OUT.json
//       [--screenshots FOLDER] [--width 390 --height 844] [--dark]
//
// The feed is called “Team” and holds “Standup” (repeats, with a link), “Review” (once, with a link) and “Lunch” (no link); the CalDAV server an
// account `ada` with the password `secret words` and calendars “home” and “work”, the last with “Planning”. Leaves with 0 when it came to
// its end; whether what it saw is right is for the reader of the report to say.
import { ready, visit, wishes } from "./visit.mjs";

const wish = wishes(["key", "feed", "caldav"]);

await visit(wish, async ({ page, show, told }) => {
  const dialog = page.getByRole("dialog");
  const connect = async (kind, fields) => {
    await page.getByRole("button", { name: "Connect a calendar" }).first().click();
    await dialog.getByLabel("Who keeps it").selectOption(kind);
    await give(fields);
  };
  const give = async (fields) => {
    for (const [label, value] of Object.entries(fields)) await dialog.getByLabel(label, { exact: true }).fill(value);
  };
  const rows = (name) => page.getByRole("table", { name }).locator("tbody tr");
  const checked = (name) => rows("Team").filter({ hasText: name }).locator("input").evaluateAll((boxes) => boxes.map((box) => box.checked));

  await page.goto(`${wish.url}/console/calendars#key=${wish.key}`);
  await ready(page);
  await page.getByRole("heading", { name: "No calendars yet" }).waitFor();
  await show("calendars-none");

  await connect("ICS", { Address: `${wish.feed}.not` });
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  told.refused = await dialog.locator(".notice__title").innerText();
  await show("calendars-connect", false);
  await give({ Address: wish.feed });
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
  await rows("Team").first().waitFor();
  told.events = await rows("Team").evaluateAll((found) => found.map((row) => row.firstChild.textContent));
  told.state = await page.locator(".calendar__state .tag").innerText();
  told.linkless = await rows("Team").filter({ hasText: "Lunch" }).locator("input").count();
  await show("calendars");

  // One event, by the keyboard; the focus stays where it was.
  const review = rows("Team").filter({ hasText: "Review" }).getByRole("switch");
  await review.focus();
  const sent = page.waitForResponse((answer) => answer.url().includes("/bot?") && answer.ok());
  await page.keyboard.press("Space");
  await sent;
  await page.waitForFunction(() => document.activeElement?.getAttribute("role") === "switch" && !document.activeElement.disabled);
  told.once = await checked("Review");
  // The whole series, and none of it.
  await page.getByRole("button", { name: "Every time a bot comes to Standup" }).first().click();
  await page.getByRole("button", { name: "Never a bot comes to Standup" }).first().waitFor();
  told.series = await checked("Standup");
  await page.reload();
  await ready(page);
  await rows("Team").first().waitFor();
  told.kept = [...(await checked("Review")), ...(await checked("Standup"))];
  await page.getByRole("button", { name: "Never a bot comes to Standup" }).first().click();
  await page.getByRole("button", { name: "Never a bot comes to Standup" }).first().waitFor({ state: "detached" });
  told.never = await checked("Standup");

  // Of several calendars of an account one is chosen.
  const account = { Address: wish.caldav, User: "ada" };
  await connect("CalDAV", { ...account, Password: "wrong words" });
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  told.wrong = await dialog.locator(".notice__title").innerText();
  await give({ Password: "secret words" });
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  await page.getByRole("heading", { name: "Which calendar?" }).waitFor();
  told.offered = await dialog.getByLabel("Calendar", { exact: true }).locator("option").allInnerTexts();
  await show("calendars-which", false);
  await dialog.getByLabel("Calendar", { exact: true }).selectOption({ label: "work" });
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("cell", { name: "Planning", exact: true }).waitFor();
  await page.getByRole("button", { name: "Other access to work" }).click();
  await give({ ...account, Password: "wrong again" });
  await dialog.getByRole("button", { name: "Save" }).click();
  told.unchanged = await dialog.locator(".notice__title").innerText();
  await show("calendars-access", false);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Read anew" }).click();
  await page.locator("button:enabled", { hasText: "Read anew" }).waitFor();
  await show("calendars-two");

  for (const name of ["work", "Team"]) {
    await page.getByRole("button", { name: `Disconnect ${name}` }).click();
    await page.getByRole("button", { name: `Disconnect it? Its bots are called off. ${name}` }).click();
    await page.getByRole("button", { name: `Disconnect it? Its bots are called off. ${name}` }).waitFor({ state: "detached" });
  }
  await page.getByRole("heading", { name: "No calendars yet" }).waitFor();
});
