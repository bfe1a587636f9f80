import { defineConfig } from "vite";
import { budget } from "./budget";
import { embed } from "./embed_build";
import { head } from "./head";

/** Where `npm run dev` finds the API; the built pages always ask the server they came from. */
const controlPlane = "http://127.0.0.1:8000";

export default defineConfig({
  base: "/",
  appType: "mpa",
  plugins: [head(), budget({ meeting: 350_000 }, { console: 150_000 }), embed(25_000)],
  server: { proxy: { "/api": controlPlane, "/socket.io": { target: controlPlane, ws: true } } },
  build: {
    outDir: "dist",
    assetsDir: "assets",
    target: "es2023",
    // A strict Content-Security-Policy allows neither data: addresses nor inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1600, // Swagger UI, on the page of the reference alone
    rolldownOptions: {
      preserveEntrySignatures: "exports-only", // `room` is imported by what is built apart
      // One entry for each page; what two of them share becomes a chunk by itself.
      input: {
        home: "home.html",
        entry: "entry.html",
        realtime: "realtime.html",
        talk: "talk.html",
        monitor: "monitor.html",
        docs: "docs.html",
        meeting: "meeting.html",
        console: "console.html",
        replay: "replay.html",
        missing: "missing.html",
        // What the button on other sites loads with the first click.
        room: "src/embed/room.ts",
      },
    },
  },
});
