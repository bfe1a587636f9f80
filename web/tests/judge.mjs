// What axe-core finds on a page as it is now.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What is serious or critical, and where. */
export async function seriousOn(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, impact, nodes }) =>
      nodes.slice(0, 12).map(({ target, failureSummary }) => ({ page: name, id, impact, target: target.join(" "), why: (failureSummary ?? "").split("\n").slice(1).join(" ").trim() })),
    );
}
