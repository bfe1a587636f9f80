// Chromium with a microphone that plays a file.
import { chromium } from "playwright-core";

const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * `microphone`: a WAV file (again and again with `loop`), `true` for Chromium's own beeps and a made-up camera, or `false` for no devices at all.
 * `instead`: other ports of this machine to speak with instead of those that addresses say.
 */
export function launch({ microphone = true, loop = false, instead = {}, executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium" } = {}) {
  const devices = microphone
    ? ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required"]
    : [];
  if (typeof microphone === "string") devices.push(`--use-file-for-fake-audio-capture=${microphone}${loop ? "" : "%noloop"}`);
  const rules = Object.entries(instead).map(([port, other]) => `MAP 127.0.0.1:${port} 127.0.0.1:${other}`);
  if (rules.length > 0) devices.push(`--host-resolver-rules=${rules.join(",")}`);
  return chromium.launch({ executablePath, headless: true, args: [...quiet, ...devices] });
}

/**
 * Runs in the page before anything else: notes the time of the click and of every change of the call, listens
 * to the persona's track beside the page, counts layout shifts and sees the light of a recording go on and off.
 */
export function watch(options) {
  const seen = { clickedAt: null, phases: [], lines: [], sound: [], shift: 0, recorded: [] };
  window.__seen = seen;
  const now = () => Math.round(performance.now());
  document.addEventListener(
    "click",
    (event) => {
      if (event.target.closest?.(".call")) seen.clickedAt ??= now();
    },
    true,
  );
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) seen.shift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  new MutationObserver(() => {
    if (document.documentElement === null) return;
    const { phase, persona } = document.documentElement.dataset;
    const last = seen.phases.at(-1);
    if (last?.phase !== phase || last?.persona !== persona) seen.phases.push({ at: now(), phase, persona });
  }).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-phase", "data-persona"] });

  new MutationObserver(() => {
    const light = document.querySelector("[aria-live=polite] > .light");
    const words = light?.title ?? null;
    if (words !== (seen.recorded.at(-1)?.words ?? null)) seen.recorded.push({ at: now(), words, said: light?.innerText ?? "" });
  }).observe(document, { subtree: true, childList: true });

  if (options.rawMicrophone) {
    // Echo and noise treatment distorts a file of synthetic speech; a person's page keeps it on.
    const media = navigator.mediaDevices;
    const ask = media.getUserMedia.bind(media);
    media.getUserMedia = (constraints) =>
      ask({ ...constraints, audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  }

  const heard = new Set();
  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...given) {
      super(...given);
      this.addEventListener("track", ({ track }) => {
        // Told again at each renegotiation; counted once.
        if (track.kind !== "audio" || heard.has(track.id)) return;
        heard.add(track.id);
        const context = new AudioContext();
        const analyser = context.createAnalyser();
        const samples = new Float32Array(analyser.fftSize);
        context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
        const timer = setInterval(() => {
          if (track.readyState === "ended") clearInterval(timer);
          analyser.getFloatTimeDomainData(samples);
          seen.sound.push([now(), Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length)]);
        }, 40);
      });
    }
  };
}
