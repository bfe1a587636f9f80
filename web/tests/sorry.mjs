// Calls an agent from the page until nobody is left who could speak, and the page says so itself; reports what was seen and heard as JSON.
//
//   node web/tests/sorry.mjs --url http://127.0.0.1:8000 --key pk_… --room ROOM --livekit PORT --json OUT.json --screenshots FOLDER
//       [--width 390 --height 844] [--dark]
//
// `--livekit`: where the server of calls is that the platform gives out as port 7880.
import { visit, wishes } from "./visit.mjs";

const wish = wishes(["key", "room", "livekit", "screenshots"]);

await visit(
  wish,
  async ({ page, show, told }) => {
    await page.addInitScript(() => {
      window.__sounds = [];
      const { play } = HTMLMediaElement.prototype;
      HTMLMediaElement.prototype.play = function (...given) {
        if (this.dataset.notice === undefined) return play.apply(this, given);
        const sound = { notice: this.dataset.notice, file: new URL(this.src).pathname.split("/").at(-1), came: null, seconds: 0 };
        window.__sounds.push(sound);
        for (const event of ["ended", "error"]) {
          this.addEventListener(event, () => {
            sound.seconds = this.currentTime;
            sound.came = event;
          });
        }
        return play.apply(this, given);
      };
    });
    await page.goto(`${wish.url}/talk?room=${wish.room}#key=${wish.key}`);
    await page.locator("html[data-phase=idle]").waitFor();
    await page.getByRole("button", { name: /^Call / }).click();
    await page.locator("html[data-phase=call]").waitFor();
    // The picture tells the test that the page is in the call: what the test does next ends it at once.
    await show("call");
    await page.locator("html[data-phase=failed]").waitFor();
    told.title = await page.locator(".notice__title").textContent();
    told.words = await page.locator("main").innerText();
    await show("sorry");
    await page.waitForFunction(() => window.__sounds.length > 0 && window.__sounds.every(({ came }) => came !== null));
    told.sounds = await page.evaluate(() => window.__sounds);
    told.can_call_again = await page.getByRole("button", { name: /^Call / }).isEnabled();
  },
  { microphone: true, instead: { 7880: Number(wish.livekit) } },
);
