// Uses the console's pages of telephone, meetings, recordings and sessions as a person would; reports what was seen as JSON.
//
//   node web/tests/channels.mjs --url http://127.0.0.1:8000 --key pk_… --json OUT.json [--screenshots FOLDER]
//       [--width 390 --height 844] [--dark]
//
// Leaves with 0 when it came to its end; whether what it saw is right is for the reader of the report to say.
import { ready, visit, wishes } from "./visit.mjs";

const wish = wishes(["key"]);
// The platform may have seen this test before.
const once = Math.random().toString(36).slice(2, 8);
const [scenario, person] = [`Interview ${once}`, `Ada ${once}`];

await visit(wish, async ({ page, context, show, told }) => {
  const isPhone = Number(wish.width) < 960;
  const go = async (words) => {
    if (isPhone) await page.getByRole("button", { name: "Menu" }).click();
    await page.getByRole("link", { name: words, exact: true }).click();
    await page.getByRole("heading", { level: 1, name: words }).waitFor();
    await ready(page);
  };
  const dialog = page.getByRole("dialog");
  const submit = async (words) => {
    await dialog.getByRole("button", { name: words, exact: true }).click();
    await dialog.waitFor({ state: "detached" });
  };

  // A trunk is added and tested, and a number of it is given to an agent. The key comes with the address and goes from it.
  await page.goto(`${wish.url}/console/phone#key=${wish.key}`);
  await ready(page);
  told.address = new URL(page.url()).hash;
  await page.getByRole("tab", { name: "Trunks" }).click();
  await page.getByRole("button", { name: "Add a trunk" }).click();
  await dialog.getByLabel("Name", { exact: true }).fill("Second line");
  await dialog.getByLabel("Number", { exact: true }).fill("no number");
  await dialog.getByLabel("Carrier's address").fill("127.0.0.1:9");
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  told.refused = await dialog.locator(".notice__title").innerText();
  const number = `+1415555${1000 + Math.floor(Math.random() * 9000)}`;
  await dialog.getByLabel("Number", { exact: true }).fill(number);
  await submit("Add");
  await page.getByRole("cell", { name: number }).waitFor();
  await page.getByRole("button", { name: "Test Second line" }).click();
  told.tested = await page.locator(".notice__title").innerText();
  await show("phone-trunks");
  await page.getByRole("tab", { name: "Trunks" }).focus();
  await page.keyboard.press("ArrowLeft");
  told.tab = new URL(page.url()).search;
  await page.getByRole("button", { name: "Give an agent a number" }).click();
  await dialog.getByLabel("Number", { exact: true }).fill(number);
  await dialog.getByLabel("Name", { exact: true }).fill("Night line");
  await submit("Save");
  await page.getByRole("cell", { name: "Night line" }).waitFor();
  await show("phone-numbers");
  await page.getByRole("button", { name: `Remove ${number}` }).click();
  await page.getByRole("button", { name: `Remove it? ${number}` }).click();
  await page.getByRole("cell", { name: "Night line" }).waitFor({ state: "detached" });
  await page.getByRole("tab", { name: "Trunks" }).click();
  await page.getByRole("button", { name: "Remove Second line" }).click();
  await page.getByRole("button", { name: "Remove it? Second line" }).click();
  await page.getByRole("cell", { name: number }).waitFor({ state: "detached" });

  // What may be called is changed and stays.
  await page.getByRole("tab", { name: "What may be called" }).click();
  await page.getByLabel("Countries").fill("us gb");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved. It holds from the next call on.").waitFor();
  await page.reload();
  await ready(page);
  told.countries = await page.getByLabel("Countries").inputValue();

  // A scenario, and a meeting of it, whose page opens.
  await go("Meetings");
  await page.getByRole("tab", { name: "Scenarios" }).click();
  await page.getByRole("button", { name: "Make a scenario" }).click();
  await dialog.getByLabel("Name", { exact: true }).fill(scenario);
  await dialog.getByLabel("Objectives").fill("Learn the name\nLearn the wish");
  await dialog.getByLabel("Criteria").fill("Kindness: was the agent kind");
  await submit("Save");
  told.scenario = await page.getByRole("row", { name: scenario }).innerText();
  await show("scenarios");
  await page.getByRole("tab", { name: "Meetings" }).click();
  await page.getByRole("button", { name: "Make a meeting" }).click();
  await dialog.getByLabel("Scenario").selectOption({ label: scenario });
  await dialog.getByLabel("Who comes").fill(person);
  const [meeting] = await Promise.all([context.waitForEvent("page"), submit("Make")]);
  await meeting.waitForURL("**/join/**");
  told.meeting = new URL(meeting.url()).pathname.split("/")[1];
  await meeting.close();
  await page.getByRole("cell", { name: person, exact: true }).waitFor();
  await show("meetings");
  await page.getByRole("button", { name: `End the meeting with ${person}` }).click();
  await page.getByRole("button", { name: `End it now? the meeting with ${person}` }).click();
  await page.getByRole("cell", { name: "Ended", exact: true }).first().waitFor();

  // Lists without rows say what to do, and a filter stays in the address.
  await go("Recordings");
  told.recordings = await page.locator(".empty__title, .long__space .long__row").first().innerText();
  await show("recordings");
  await go("Sessions");
  await page.getByLabel("By", { exact: true }).selectOption("sip");
  await page.waitForURL("**/console/sessions?type=sip");
  told.sessions = await page.locator(".empty__title, .long__space .long__row").first().innerText();
  await show("sessions");
  await page.goBack();
  await page.getByRole("heading", { level: 1, name: "Recordings" }).waitFor();
});
