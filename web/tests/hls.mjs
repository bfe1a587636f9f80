// Plays HLS from a folder in Chromium, as a page with hls.js does, and reports what was seen and heard as JSON.
//
//   node web/tests/hls.mjs --folder DIR --list live/list.m3u8 --seconds 6 [--json OUT.json]
//
// Leaves with 0 when it was played without a fatal error, with 1 otherwise.
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { extname, resolve, sep } from "node:path";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";

const { values: wish } = parseArgs({
  options: {
    folder: { type: "string" },
    list: { type: "string" },
    seconds: { type: "string", default: "6" },
    json: { type: "string" },
  },
});
if (!wish.folder || !wish.list) {
  console.error("needed: --folder and --list (the list's path in it)");
  process.exit(2);
}

const library = fileURLToPath(new URL("../node_modules/hls.js/dist/hls.min.js", import.meta.url));
const types = { ".js": "text/javascript", ".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t" };
const folder = resolve(wish.folder);
const site = createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://127.0.0.1");
  if (pathname === "/") {
    response.setHeader("content-type", "text/html");
    response.end('<!doctype html><script src="/hls.min.js"></script><video></video><button>Play</button>');
    return;
  }
  const path = pathname === "/hls.min.js" ? library : resolve(folder, `.${decodeURIComponent(pathname)}`);
  const allowed = path === library || path.startsWith(folder + sep);
  const file = createReadStream(allowed ? path : "");
  file.on("error", () => response.writeHead(404).end());
  file.on("open", () => {
    response.writeHead(200, { "content-type": types[extname(path)] ?? "application/octet-stream", "cache-control": "no-store" });
    file.pipe(response);
  });
});

/** Runs in the page: plays from the click on and notes each second how far it is. */
function play(list) {
  const video = document.querySelector("video");
  const seen = { errors: [], positions: [], loudest: 0, live: null, ended: false };
  window.__seen = seen;
  const hls = new Hls();
  hls.on(Hls.Events.ERROR, (_, error) => seen.errors.push({ fatal: error.fatal, details: error.details }));
  hls.on(Hls.Events.LEVEL_LOADED, (_, { details }) => (seen.live ??= details.live));
  video.addEventListener("ended", () => (seen.ended = true));
  hls.loadSource(list);
  hls.attachMedia(video);
  document.querySelector("button").addEventListener("click", () => {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    const samples = new Float32Array(analyser.fftSize);
    context.createMediaElementSource(video).connect(analyser);
    analyser.connect(context.destination);
    setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      seen.loudest = Math.max(seen.loudest, ...samples);
    }, 50);
    setInterval(() => seen.positions.push(video.currentTime), 500);
    video.play();
  });
}

const browser = await launch({ microphone: false });
let report;
try {
  await new Promise((done) => site.listen(0, "127.0.0.1", done));
  const page = await browser.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.evaluate(play, `/${wish.list}`);
  await page.getByRole("button", { name: "Play" }).click();
  await page.waitForTimeout(Number(wish.seconds) * 1000);
  report = await page.evaluate(() => {
    const video = document.querySelector("video");
    const { totalVideoFrames: frames, droppedVideoFrames: dropped } = video.getVideoPlaybackQuality();
    return { ...window.__seen, width: video.videoWidth, height: video.videoHeight, frames, dropped };
  });
  report.faults = faults;
} finally {
  await browser.close();
  site.closeAllConnections();
  site.close();
}
if (wish.json) await writeFile(wish.json, JSON.stringify(report, undefined, 2));
else console.log(JSON.stringify(report));
process.exitCode = report.faults.length === 0 && !report.errors.some((error) => error.fatal) && report.positions.at(-1) > 0 ? 0 : 1;
