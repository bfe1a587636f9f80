// Sees to privacy by the console: what is kept, one person exported and erased with a receipt, the audit trail verified;
// reports what was seen as JSON.
//
//   node web/tests/privacy.mjs --url http://127.0.0.1:8000 --key pk_… --json OUT.json [--screenshots FOLDER]
//       [--width 390 --height 844] [--dark]
//
// The project knows `customer-0001`, whose conversation is over, and `customer-0002`, whose conversation goes on. Leaves with 0
// when it came to its end; whether what it saw is right is for the reader of the report to say.
import { readFile } from "node:fs/promises";
import { seriousOn } from "./judge.mjs";
import { ready, visit, wishes } from "./visit.mjs";

const wish = wishes(["key"]);
const VERIFY = "**/api/v1/audit/verify*";
const EXPORTS = "**/api/v1/privacy/exports*";

await visit(wish, async ({ page, show: picture, told }) => {
  told.bad = [];
  const show = async (name, fullPage = true) => {
    told.bad.push(...(await seriousOn(page, name)));
    await picture(name, fullPage);
  };
  const button = (name) => page.getByRole("button", { name, exact: true });
  const dialog = page.getByRole("dialog");
  const refused = (id) => page.locator(`#${id}-problem`).innerText();
  const table = page.getByRole("table", { name: "Exports and erasures" });

  await page.goto(`${wish.url}/console/keys#key=${wish.key}`);
  await ready(page);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("privacy");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/console/privacy");
  await ready(page);
  told.focus = await page.evaluate(() => document.activeElement?.textContent);

  // What is kept.
  const days = page.getByLabel("Keep conversations for days");
  const names = page.getByLabel("Names that are personal data as well");
  await button("Save").click();
  told.unchanged = await page.locator("#panel-kept [role=status]").innerText();
  await days.fill("0");
  await button("Save").click();
  told.bad_days = await refused("retention");
  await days.fill("30");
  await names.fill("Ada Lovelace\nX");
  await page.keyboard.press("Tab");
  await button("Save").click();
  told.bad_name = await refused("redact-names");
  await show("privacy-kept-refused");
  await names.fill("Ada Lovelace\n\n Bob Hope\nAda Lovelace");
  await page.getByLabel("Take personal data out").check();
  await button("Save").click();
  told.warned = await dialog.innerText();
  await show("privacy-kept-warned");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  told.not_saved = await page.evaluate((key) => fetch("/api/v1/projects", { headers: { "X-API-Key": key } }).then((answer) => answer.json()), wish.key);
  await button("Save").click();
  await dialog.getByRole("button", { name: "Delete what is older" }).click();
  await page.getByText("Saved.").waitFor();
  await page.reload();
  await ready(page);
  told.kept = { days: await days.inputValue(), names: await names.inputValue(), redact: await page.getByLabel("Take personal data out").isChecked() };
  told.spans = await page.locator("#spans").innerText();
  await show("privacy-kept");

  // One person: refusals that teach, an export that is taken along.
  await page.getByRole("tab", { name: "What is kept" }).press("ArrowRight");
  await page.locator("#asked .empty__title").waitFor();
  told.none = await page.locator("#asked .empty__title").innerText();
  await show("privacy-person-none");
  await button("Export").click();
  told.nobody = await refused("person-phone");
  await page.getByLabel("Telephone number").fill("12");
  await button("Export").click();
  await page.locator("#person-phone-problem").filter({ hasText: "E.164" }).waitFor();
  told.bad_phone = await refused("person-phone");
  told.at_field = await page.evaluate(() => document.activeElement?.id);
  await page.getByLabel("Telephone number").fill("");
  const identity = page.getByLabel("Identity");
  await identity.fill("customer-0001");
  await page.route(EXPORTS, (route) => (route.request().method() === "POST" ? route.fulfill({ status: 503, json: { error: "The database is away", code: "UNAVAILABLE" } }) : route.continue()));
  await button("Export").click();
  told.away = await page.locator("#person .notice__title").innerText();
  await page.unroute(EXPORTS);
  await identity.press("Enter");
  await table.getByRole("link", { name: /^Download export/ }).waitFor();
  told.export = (await table.innerText()).replace(/\s+/g, " ");
  const [file] = await Promise.all([page.waitForEvent("download"), table.getByRole("link", { name: /^Download export/ }).click()]);
  told.file = { name: file.suggestedFilename(), begins: (await readFile(await file.path())).subarray(0, 2).toString() };

  // The same person is erased, once they were named again.
  await identity.fill("customer-0001");
  await button("Erase …").click();
  const again = dialog.getByLabel("Type customer-0001 to confirm");
  told.asks_at = await page.evaluate(() => document.activeElement?.id);
  await again.fill("customer-0002");
  await page.keyboard.press("Enter");
  told.not_them = await dialog.locator(".notice__title").innerText();
  told.erased_by_mistake = await table.getByText("Erasure", { exact: true }).count();
  await show("privacy-erase", false);
  await again.fill("customer-0001");
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  const receipt = table.getByRole("link", { name: /^Receipt of erasure/ });
  await receipt.waitFor();
  told.form_is_empty = await identity.inputValue();

  // Another is in a conversation.
  await identity.fill("customer-0002");
  await button("Erase …").click();
  await page.keyboard.type("customer-0002");
  await dialog.getByRole("button", { name: "Erase for good" }).click();
  await table.getByText("Waits", { exact: true }).waitFor();
  told.rows = (await table.getByRole("row").allInnerTexts()).slice(1).map((row) => row.replace(/\s+/g, " "));
  await show("privacy-person");
  await page.getByLabel("Show", { exact: true }).selectOption("erasure");
  await page.locator("#asked .section__hint", { hasText: "2 of 2" }).waitFor();
  told.erasures = (await table.getByRole("row").count()) - 1;
  await table.getByRole("link", { name: /^Follow erasure/ }).click();
  await page.waitForURL("**/console/privacy/erasures/*");
  await ready(page);
  told.followed = await page.locator("#erasure").innerText();
  told.no_receipt = await button("Download receipt").isVisible();
  await page.getByRole("link", { name: "Privacy" }).last().click();
  await page.waitForURL("**/console/privacy?tab=person");

  // The receipt, and a copy of it.
  await receipt.click();
  await page.waitForURL("**/console/privacy/erasures/*");
  await ready(page);
  told.verdict = await page.locator(".page .notice__title").innerText();
  told.gone = await page.locator("#gone").innerText();
  await show("privacy-receipt");
  const [copy] = await Promise.all([page.waitForEvent("download"), button("Download receipt").click()]);
  told.copy = { name: copy.suggestedFilename(), ...JSON.parse(await readFile(await copy.path(), "utf8")) };
  await page.goto(`${wish.url}/console/privacy/erasures/999999`);
  await ready(page);
  told.unknown = await page.locator(".notice__title").innerText();

  // The audit trail, as it is, and as it would be after somebody had touched it.
  await page.goto(`${wish.url}/console/audit`);
  await ready(page);
  await page.getByRole("link", { name: "Verify the trail" }).click();
  await page.waitForURL("**/console/privacy?tab=trail");
  await ready(page);
  await button("Verify the trail").click();
  await page.locator("#trail .notice--good").waitFor();
  told.intact = await page.locator("#trail .notice__title").innerText();
  told.head = await page.locator("#trail code").innerText();
  await show("privacy-trail");
  const head = { seq: 9, entry_id: 12, mac: "ab".repeat(32), at: "2026-03-10T12:00:00Z" };
  const problems = ["changed", "missing", "unlinked", "moved", "cut"].map((kind, place) => ({ kind, entry_id: place === 4 ? null : place + 3 }));
  await page.route(VERIFY, (route) => route.fulfill({ json: { intact: false, entries: 9, next_after: null, problems, head } }));
  await button("Verify the trail").click();
  await page.locator("#trail .notice--danger").waitFor();
  told.touched = await page.locator("#trail .notice__title").innerText();
  told.problems = (await page.getByRole("table", { name: "Problems of the trail" }).getByRole("row").count()) - 1;
  await show("privacy-trail-touched");
  await page.unroute(VERIFY);
  await page.route(VERIFY, (route) => route.fulfill({ status: 403, json: { error: "This key may not do that", code: "FORBIDDEN" } }));
  await button("Verify the trail").click();
  await page.locator("#trail .problem .notice__title").waitFor();
  told.not_allowed = await page.locator("#trail .problem").innerText();
});
