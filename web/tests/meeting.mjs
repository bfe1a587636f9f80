// People meet on the page of a meeting, with bots beside them; what they saw is reported as JSON.
//
//   node web/tests/meeting.mjs --url http://127.0.0.1:8000 --livekit ws://127.0.0.1:7880 --key=pk_… [--json OUT.json]
//       [--scene converse|present|scenario] [--wav WHAT_THE_HOST_SAYS.wav] [--pictures FOLDER] [--dark]
//
// Everybody has a Chromium of their own with a made-up camera and microphone. Leaves with 0 when all went as it should,
// with 1 and the reason otherwise.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { browsers, report, wish } from "./meeting_cast.mjs";
import * as scenes from "./meeting_scenes.mjs";

if (!wish.url || !wish.livekit || !wish.key || !scenes[wish.scene]) {
  console.error("needed: --url (of the platform), --livekit (ws://127.0.0.1:…), --key (of a project), and a scene there is");
  process.exit(2);
}
try {
  await scenes[wish.scene]();
} catch (error) {
  report.failed = String(error?.stack ?? error);
  for (const [index, browser] of browsers.entries()) {
    const page = browser.contexts()[0]?.pages()[0];
    if (wish.pictures && page) await page.screenshot({ path: join(wish.pictures, `failed-${index}.png`) }).catch(() => undefined);
  }
} finally {
  for (const browser of browsers) await browser.close();
}
if (wish.json) await writeFile(wish.json, JSON.stringify(report, null, 2));
console.log(JSON.stringify(report, null, 2));
process.exit(report.failed ? 1 : 0);
