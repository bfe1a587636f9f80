// Fills a knowledge base by the pages of the console, tries it, and mends it; reports what was seen as JSON.
//
//   node web/tests/knowledge.mjs --url http://127.0.0.1:8000 --key pk_… --json OUT.json [--screenshots FOLDER] [--width 390 --height 844] [--dark]
//   node web/tests/knowledge.mjs --url … --key … --json OUT.json --mend ID
//
// Without `--mend` it makes a base, uploads, edits a passage, searches, evaluates and indexes anew; with it, it answers what callers asked
// the base ID in vain and deletes the base. Leaves with 0 when it came to its end; whether what it saw is right is for
// the reader of the report to say.
import { ready, visit, wishes } from "./visit.mjs";

const wish = wishes(["key"], ["mend"]);

const HOURS = "# Opening hours\n\nThe workshop is open from Tuesday to Saturday, nine to six.\n\n# Parking\n\nParking behind the house is free for two hours.\n";
const PRICES = "repair,price\nFlat tyre,12 euros\nBrake pads,35 euros\nNew chain,48 euros\n";
/** Bytes a second of a line on which a person sees a document leave. */
const SLOW = 20_000;

const file = (name, text) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(text) });

await visit(wish, wish.mend ? mend : fill);

async function fill({ page, context, show, told }) {
  const tab = (name) => page.getByRole("tab", { name, exact: true }).click();
  const dialog = page.getByRole("dialog");
  const uploaded = (name, state) => page.locator(`.upload[data-state=${state}]`, { hasText: name });

  await page.goto(`${wish.url}/console/knowledge#key=${wish.key}`);
  await ready(page);
  await page.getByRole("heading", { name: "No knowledge yet" }).waitFor();
  await show("knowledge-none");
  await page.getByRole("button", { name: "New knowledge base" }).first().click();
  await dialog.getByLabel("Name").fill("Workshop");
  await dialog.getByLabel("Description").fill("Bicycles: hours, prices, repairs");
  await dialog.getByLabel("Longest passage (characters)").fill("100");
  await dialog.getByLabel("Shared with the next (characters)").fill("100");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.locator("#new-base-overlap[aria-invalid=true]").waitFor();
  told.refused = await dialog.locator("#new-base-overlap-problem").textContent();
  await show("knowledge-new", false);
  await dialog.getByLabel("Longest passage (characters)").fill("500");
  await dialog.getByRole("button", { name: "Create" }).click();
  await page.waitForURL("**/console/knowledge/*");
  await ready(page);
  told.id = Number(new URL(page.url()).pathname.split("/").pop());
  await page.getByRole("heading", { name: "Nothing in it yet" }).waitFor();
  await show("base-empty");

  // Several files at once; what is wrong with one is said, and keeps none of the others back.
  await page.locator("#upload-files").setInputFiles([
    file("hours.md", HOURS),
    file("prices.csv", PRICES),
    file("catalogue.pdf", "This is no PDF."),
    file("stock.xlsx", "PK"),
  ]);
  await uploaded("hours.md", "done").waitFor();
  await uploaded("prices.csv", "done").waitFor();
  await uploaded("catalogue.pdf", "failed").waitFor();
  told.problems = {
    pdf: await uploaded("catalogue.pdf", "failed").locator(".upload__words").textContent(),
    xlsx: await uploaded("stock.xlsx", "failed").locator(".upload__words").textContent(),
  };
  await show("base-uploads");

  // By drag and drop, over a slow line: how far it is can be seen.
  const line = await context.newCDPSession(page);
  const lineTakes = (uploadThroughput) =>
    line.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput });
  await line.send("Network.enable");
  await lineTakes(SLOW);
  await page.evaluate(() => {
    window.__shares = [];
    new MutationObserver(() => {
      for (const bar of document.querySelectorAll(".upload[data-state=sending] progress")) window.__shares.push(bar.value);
    }).observe(document.querySelector(".uploads"), { subtree: true, childList: true, characterData: true, attributes: true });
    const data = new DataTransfer();
    const text = Array.from({ length: 60 }, (_, n) => `# Repair ${n}\n\n${`Step ${n} of the manual says how a wheel is trued. `.repeat(20)}\n`).join("\n");
    data.items.add(new File([text], "manual.txt", { type: "text/plain" }));
    const zone = document.querySelector(".drop");
    for (const kind of ["dragenter", "dragover"]) zone.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
    window.__over = zone.classList.contains("drop--over");
    zone.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  });
  await uploaded("manual.txt", "sending").filter({ hasText: /Sending: [1-9]\d? %/ }).waitFor();
  await show("base-sending", false);
  await lineTakes(-1);
  await uploaded("manual.txt", "done").waitFor({ timeout: 60_000 });
  told.shares = await page.evaluate(() => window.__shares);
  told.over = await page.evaluate(() => window.__over);
  const documents = page.getByRole("table", { name: "Documents" });
  await documents.getByRole("button", { name: "manual.txt" }).waitFor();
  told.documents = await page.locator(".base-documents .long__link").allTextContents();
  await show("base-documents");
  await documents.getByRole("button", { name: "manual.txt" }).click();
  await show("base-document", false);
  await dialog.getByRole("button", { name: "Delete for good" }).click();
  await page.getByText("manual.txt is deleted").waitFor({ timeout: 60_000 });

  await tab("Passages");
  const rows = page.locator("#panel-passages .long__space .long__row");
  await rows.first().waitFor();
  told.passages = await rows.count();
  await show("base-passages");
  await page.getByRole("button", { name: /Parking/ }).click();
  told.whole = await dialog.getByLabel("Text").inputValue();
  await show("base-passage", false);
  await dialog.getByLabel("Text").fill("Parking behind the house costs three euros a day.");
  await dialog.getByRole("button", { name: "Keep" }).click();
  await dialog.waitFor({ state: "hidden" });
  await page.getByText("costs three euros a day").waitFor();
  await page.getByRole("button", { name: /Brake pads/ }).click();
  await dialog.getByRole("switch", { name: "Can be found" }).uncheck();
  await dialog.getByRole("button", { name: "Keep" }).click();
  await dialog.waitFor({ state: "hidden" });
  await rows.locator(".tag", { hasText: "Switched off" }).waitFor();

  await tab("Try out");
  const ask = async (question) => {
    await page.getByLabel("Question", { exact: true }).fill(question);
    await page.keyboard.press("Enter");
  };
  await ask("Who won the football world cup in 1954?");
  told.in_vain = await page.locator(".notice__title", { hasText: "Not answered" }).textContent();
  await ask("What does parking cost?");
  await page.locator(".notice__title", { hasText: /^Answered/ }).waitFor();
  const first = page.locator(".found__item").first();
  told.first = await first.locator(".found__text").textContent();
  told.bars = await first.locator(".bars dt").allTextContents();
  told.figures = (await first.locator(".bars__figure").allTextContents()).map((words) => Number(words.replace("<", "")));
  told.widths = await first.locator(".bars__row").evaluateAll((rows) =>
    rows.map((row) => row.querySelector(".bars__fill").getBoundingClientRect().width / row.querySelector(".bars__bar").getBoundingClientRect().width),
  );
  await show("base-try");
  await first.getByRole("button", { name: "This answers it" }).click();
  await dialog.getByLabel("Words of the answer").fill("three euros");
  await show("base-keep", false);
  await dialog.getByRole("button", { name: "Keep" }).click();
  await page.getByRole("table", { name: "Golden questions" }).waitFor();
  await page.getByRole("button", { name: "New question" }).click();
  await dialog.getByLabel("Question").fill("How much are brake pads?");
  await dialog.getByLabel("Document that answers it").fill("prices.csv");
  await dialog.getByLabel("Words of the answer").fill("Brake pads");
  await dialog.getByRole("button", { name: "Keep" }).click();
  await page.getByRole("cell", { name: "How much are brake pads?", exact: true }).waitFor();
  await page.getByRole("button", { name: "Evaluate" }).click();
  await page.locator(".base-figure").first().waitFor();
  told.evaluated = await page.locator(".base-figure").allTextContents();
  told.places = await page.getByRole("table", { name: "Golden questions" }).locator("tbody td:nth-child(3)").allTextContents();
  await show("base-golden");

  await tab("Unanswered");
  await page.getByRole("heading", { name: "Nothing is unanswered" }).waitFor();
  await show("base-unanswered-none");
  await tab("Settings");
  await page.getByLabel("Only if so many golden questions are found (%)").fill("100");
  await page.getByRole("button", { name: "Index anew" }).click();
  await page.getByText("The index is as it was").waitFor({ timeout: 60_000 });
  told.not_indexed = await page.locator(".notice__title").last().textContent();
  await page.getByLabel("Only if so many golden questions are found (%)").fill("50");
  await page.getByRole("button", { name: "Index anew" }).click();
  await page.getByText(/^Indexed anew/).waitFor({ timeout: 60_000 });
  await page.getByLabel("Name", { exact: true }).fill("The workshop");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved", { exact: true }).waitFor();
  told.name = await page.getByRole("heading", { level: 1 }).textContent();
  await show("base-settings");
  await page.goto(`${wish.url}/console/knowledge`);
  await ready(page);
  await page.getByRole("link", { name: "The workshop" }).waitFor();
  await show("knowledge");
}

async function mend({ page, show, told }) {
  const dialog = page.getByRole("dialog");

  await page.goto(`${wish.url}/console/knowledge/${wish.mend}?tab=unanswered#key=${wish.key}`);
  await ready(page);
  await page.locator("#panel-unanswered .long__row .long__link").first().waitFor();
  told.asked = await page.locator("#panel-unanswered .long__link").allTextContents();
  await show("base-unanswered");
  await page.getByRole("button", { name: "Answer Do you repair electric bicycles?" }).click();
  await dialog.getByLabel("Text").fill("# Do you repair electric bicycles?\n\nElectric bicycles are repaired on Thursdays, with an appointment.");
  await show("base-answer", false);
  await dialog.getByRole("button", { name: "Add" }).click();
  await page.getByText("Added. Ask it under Try out").waitFor();
  await page.getByRole("button", { name: "Keep as golden question: Do you repair electric bicycles?" }).click();
  await dialog.locator("#golden-documents option").first().waitFor({ state: "attached" });
  told.offered = await dialog.locator("#golden-documents option").evaluateAll((options) => options.map(({ value }) => value));
  await dialog.getByLabel("Document that answers it").fill("Do you repair electric bicycles");
  await dialog.getByRole("button", { name: "Keep" }).click();
  await page.getByRole("cell", { name: "Do you repair electric bicycles?", exact: true }).waitFor();
  await page.getByRole("button", { name: "Evaluate" }).click();
  await page.locator(".base-figure").first().waitFor();
  told.places = await page
    .getByRole("table", { name: "Golden questions" })
    .locator("tbody tr", { hasText: "electric" })
    .locator("td:nth-child(3)")
    .allTextContents();
  await page.getByRole("tab", { name: "Settings", exact: true }).click();
  await page.getByRole("button", { name: "Delete the base" }).click();
  await page.getByRole("button", { name: "Delete all of it for good?" }).click();
  await page.waitForURL("**/console/knowledge");
  await page.getByRole("heading", { name: "No knowledge yet" }).waitFor();
}
