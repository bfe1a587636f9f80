// What 1,000 events a second do to the live page: a server of its own sends them, Chromium says which tasks were long.
//
//   node web/tests/live_load.mjs [--seconds 10] [--per-second 1000] [--rooms 200] [--screenshot OUT.png]
//
// Prints JSON: events sent, tasks over 50 ms, the longest, the worst gap between frames, nodes of the document.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";
import { launch } from "./browser.mjs";

const { values: wish } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    "per-second": { type: "string", default: "1000" },
    rooms: { type: "string", default: "200" },
    screenshot: { type: "string" },
  },
});
const [SECONDS, RATE, ROOMS] = [Number(wish.seconds), Number(wish["per-second"]), Number(wish.rooms)];
const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const began = new Date(Date.now() - 60_000).toISOString();
const names = Array.from({ length: ROOMS }, (_, number) => `room-${number}`);
const given = {
  "/api/v1/account": { account: { email: "ops@example.org", name: "Ops", plan_display: "Scale", created_at: began, balance: 0, used: 0, active_keys: 1, max_active_keys: 5, project: { id: 1, slug: "proj" } } },
  "/api/v1/rooms": { rooms: names.map((name) => ({ name, fullName: `proj_${name}`, numParticipants: 2, createdAt: 0 })) },
  "/api/v1/sessions": { sessions: names.map((name, id) => ({ id, room_name: `proj_${name}`, agent_name: "Robin", started_at: began })), total: ROOMS },
  "/api/v1/monitor/tickets": { ticket: "t", expires_at: began },
};
const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://host");
  const send = (status, type, body) => response.writeHead(status, { "Content-Type": type }).end(body);
  if (given[pathname]) return send(200, "application/json", JSON.stringify(given[pathname]));
  if (pathname.startsWith("/api/v1/sessions/")) return send(200, "application/json", '{"transcripts":[]}');
  if (pathname.startsWith("/api/")) return send(200, "application/json", "{}");
  const file = pathname.startsWith("/console") ? "console.html" : normalize(pathname).replace(/^\/+/, "");
  try {
    send(200, types[extname(file)] ?? "application/octet-stream", await readFile(join(dist, file)));
  } catch {
    send(404, "text/plain", "");
  }
});
const sockets = new WebSocketServer({ server, path: "/ws/monitor" });
let socket = null;
let id = 0;
sockets.on("connection", (opened) => {
  opened.on("message", (text) => {
    opened.send(JSON.stringify({ type: "subscribed", channel: JSON.parse(text).channel, id }));
    socket = opened;
  });
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));

/** A message as conversations have them: interim words, lines, states, turns; a third of them in the open room. */
function message(number) {
  const room = number % 3 === 0 ? 0 : number % ROOMS;
  const data = { room_name: names[room], full_room_name: `proj_${names[room]}`, session_id: room };
  const of = (type, more, kept = true) => ({ type, channel: `room:${names[room]}`, id: kept ? (id += 1) : null, timestamp: new Date().toISOString(), data: { ...data, ...more } });
  const speaker = number % 2 === 0 ? "user" : "agent";
  switch (number % 10) {
    case 0: return of("transcript.new", { speaker, content: `This is what was said as number ${number}, to its end.`, timestamp_ms: number, is_final: true });
    case 1: return of("persona.state", { state: ["listening", "thinking", "speaking"][number % 3] }, false);
    case 2: return of("turn.measured", { heard_gap_ms: 900, parts: { model_ms: 300, speech_ms: 200, endpointing_ms: 400 }, passages: 2 });
    case 3: return of(number % 20 === 3 ? "participant.joined" : "participant.left", { identity: `p${number}`, name: "Ada" });
    default: return of("transcript.new", { speaker, content: `This is what is being said ${number}`, timestamp_ms: number + 5, is_final: false }, false);
  }
}

const browser = await launch({ microphone: false });
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  await page.goto(`http://127.0.0.1:${server.address().port}/console/live/room-0#key=pk_x`);
  await page.locator(".calls__row").first().waitFor({ timeout: 20_000 });
  while (socket === null) await new Promise((soon) => setTimeout(soon, 50));
  await page.evaluate(() => {
    const seen = { long: [], worst: 0, frames: 0 };
    window.__load = seen;
    new PerformanceObserver((list) => seen.long.push(...list.getEntries().map(({ duration }) => Math.round(duration)))).observe({ type: "longtask" });
    let last = performance.now();
    const frame = (now) => {
      seen.worst = Math.max(seen.worst, now - last);
      seen.frames += 1;
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const start = Date.now();
  let sent = 0;
  while (Date.now() - start < SECONDS * 1_000) {
    const due = Math.floor(((Date.now() - start) / 1_000) * RATE);
    for (; sent < due; sent += 1) socket.send(JSON.stringify(message(sent)));
    await new Promise((soon) => setTimeout(soon, 5));
  }
  const last = "the last line";
  socket.send(JSON.stringify({ type: "transcript.new", channel: "room:room-0", id: (id += 1), timestamp: new Date().toISOString(), data: { room_name: "room-0", full_room_name: "proj_room-0", session_id: 0, speaker: "agent", content: last, timestamp_ms: 10 ** 7, is_final: true } }));
  const ended = Date.now();
  await page.locator("[data-line]", { hasText: last }).last().waitFor({ timeout: 30_000 });
  const behind = Date.now() - ended;
  if (wish.screenshot) await page.screenshot({ path: wish.screenshot });
  const seen = await page.evaluate(() => ({ ...window.__load, nodes: document.querySelectorAll("*").length, lines: document.querySelectorAll("[data-line]").length, rows: document.querySelectorAll(".calls__row").length }));
  const long = seen.long.sort((a, b) => b - a);
  console.log(JSON.stringify({ sent, behind_ms: behind, tasks_over_50_ms: long.length, longest_ms: long[0] ?? 0, long: long.slice(0, 10), frames: seen.frames, worst_gap_ms: Math.round(seen.worst), nodes: seen.nodes, lines: seen.lines, rows: seen.rows, faults }));
} finally {
  await browser.close();
  sockets.close();
  server.close();
}
process.exit(0);
