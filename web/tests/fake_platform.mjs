// A control plane for the eyes: serves the built pages and answers the two calls the talk page makes.
// The key decides what happens (pk_ok, pk_unknown, pk_quota, pk_rate, pk_busy, pk_empty), so that a picture of
// every state needs no database. With LIVEKIT_URL set, pk_ok gives a real token for a `livekit-server --dev`.
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

/** The policy the pages promise to live under. */
const policy = (livekit) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "font-src 'self'",
    "img-src 'self'",
    "media-src 'self' blob:",
    `connect-src 'self' ${livekit} ${livekit.replace(/^ws/, "http")}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");

const refusals = {
  pk_unknown: [401, { error: "Unknown API key.", code: "UNAUTHORIZED" }],
  pk_quota: [429, { error: "Quota exceeded.", code: "QUOTA_EXCEEDED", details: { resource: "sessions", limit: 2, used: 2 } }],
  pk_rate: [429, { error: "Too many requests.", code: "RATE_LIMITED", retry_after: 9 }, { "Retry-After": "9" }],
  pk_busy: [503, { error: "No worker is free.", code: "UNAVAILABLE" }, { "Retry-After": "12" }],
};

/** Starts the server; `onAdmit` hears of every room it lets somebody into. */
export async function fakePlatform({ livekit = process.env.LIVEKIT_URL ?? "ws://127.0.0.1:1", onAdmit = () => {} } = {}) {
  const send = (response, status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://host");
    const key = request.headers["x-api-key"];
    if (pathname === "/api/v1/agents") {
      if (key === "pk_unknown") return send(response, ...refusals.pk_unknown);
      const agents = key === "pk_empty" ? [] : [{ id: 1, name: "Nora Lindqvist", agent_type: "assistant", is_active: true }];
      return send(response, 200, { agents });
    }
    if (pathname === "/api/v1/token" && request.method === "POST") {
      if (refusals[key]) return send(response, ...refusals[key]);
      let text = "";
      for await (const piece of request) text += piece;
      const { identity, room } = JSON.parse(text);
      onAdmit(room);
      return send(response, 200, { token: sign(identity, room), room, wsUrl: livekit, agents_dispatched: [1] });
    }
    const file = pathname === "/talk" ? "talk.html" : normalize(pathname).replace(/^\/+/, "");
    try {
      const body = await readFile(join(dist, file));
      response.writeHead(200, {
        "Content-Type": types[extname(file)] ?? "application/octet-stream",
        "Content-Security-Policy": policy(livekit),
      });
      response.end(body);
    } catch {
      send(response, 404, { error: "There is nothing here.", code: "NOT_FOUND" });
    }
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => new Promise((done) => server.close(done)) };
}

/** A LiveKit token under the key pair of `livekit-server --dev`. */
export function sign(identity, room, kind) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "devkey", sub: identity, nbf: now - 10, exp: now + 600, video: { roomJoin: true, room, canUpdateOwnMetadata: true } };
  const body = `${part({ alg: "HS256", typ: "JWT" })}.${part(kind ? { ...claims, kind } : claims)}`;
  return `${body}.${createHmac("sha256", "secret").update(body).digest("base64url")}`;
}
