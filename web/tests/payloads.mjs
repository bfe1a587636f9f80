// Opens pages whose texts are markup and scripts, with every tab and every dialog that a row's button opens; reports what became
// of them as JSON: what ran, what became elements, what the pages' policy had to stop, what was wider than the window.
//
//   node web/tests/payloads.mjs --url http://127.0.0.1:8000 --key pk_… --pages '["/console/agents", …]' --json OUT.json
//       [--screenshots FOLDER] [--width 390 --height 844] [--dark]
//
// A payload would set `window.__ran`, and its elements have the class `payload`. Leaves with 0 when it came to its end;
// whether what it saw is right is for the reader of the report to say.
import { ready, visit, wishes } from "./visit.mjs";

const wish = wishes(["key", "pages"]);
/** Of rows, whose dialogs are looked at and closed again. */
const OPENERS = /^(Edit|Answer|Keep as|Other access)\b/;

await visit(wish, async ({ page, show, told }) => {
  Object.assign(told, { looked: [], ran: [], elements: [], unfit: [], shown: 0, dialogs: 0 });
  const judge = async (name) => {
    const found = await page.evaluate(() => ({
      ran: window.__ran ?? null,
      elements: [...document.querySelectorAll(".payload, [onerror], [onload], [onclick]")].map((each) => each.outerHTML.slice(0, 200)),
      unfit: [...document.querySelectorAll("[href], [src], [action]")]
        .flatMap((each) => ["href", "src", "action"].map((which) => each.getAttribute(which) ?? ""))
        .filter((address) => /^\s*(javascript|data:text|vbscript)/i.test(address)),
      shown: document.body.innerText.split("class=payload").length - 1,
    }));
    if (found.ran !== null) told.ran.push(name);
    for (const element of found.elements) told.elements.push([name, element]);
    for (const address of found.unfit) told.unfit.push([name, address]);
    told.shown += found.shown;
    told.looked.push(name);
    await show(name.replaceAll(/[^a-z0-9]+/gi, "-").replace(/^-/, "").slice(0, 100), false);
  };

  await page.goto(`${wish.url}/console/sessions#key=${wish.key}`);
  await ready(page);
  await page.keyboard.press("Control+k");
  await page.locator("#palette-list li").first().waitFor();
  await judge("the palette");
  for (const path of JSON.parse(wish.pages)) {
    await open(page, path);
    await judge(path);
    const tabs = await page.getByRole("tab").allInnerTexts();
    for (const tab of tabs) {
      await page.getByRole("tab", { name: tab, exact: true }).click();
      await page.waitForLoadState("networkidle");
      await judge(`${path} ${tab}`);
      await dialogs(`${path} ${tab}`);
    }
    if (tabs.length === 0) await dialogs(path);
  }

  async function dialogs(name) {
    const openers = page.locator("main button:visible").filter({ visible: true });
    const names = await openers.evaluateAll((buttons) => buttons.map((each) => each.getAttribute("aria-label") ?? each.innerText));
    for (const [place, words] of names.entries()) {
      if (!OPENERS.test(words)) continue;
      await openers.nth(place).click();
      const dialog = page.locator("dialog[open]");
      await dialog.waitFor();
      told.dialogs += 1;
      await judge(`${name} ${words}`);
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
    }
  }
});

async function open(page, path) {
  await page.goto(wish.url + path);
  await page.locator("h1, main").first().waitFor({ state: "attached" });
  if (path.startsWith("/console")) await ready(page);
  await page.waitForLoadState("networkidle");
}
