/** Line icons on a 24-pixel grid, after Feather (MIT) and Lucide (ISC). */
const paths = {
  phone: [
    "M22 16.92v3a2 2 0 0 1-2.18 2 19.79 19.79 0 0 1-8.63-3.07 19.5 19.5 0 0 1-6-6 19.79 19.79 0 0 1-3.07-8.67A2 2 0 0 1 4.11 2h3a2 2 0 0 1 2 1.72 12.84 12.84 0 0 0 .7 2.81 2 2 0 0 1-.45 2.11L8.09 9.91a16 16 0 0 0 6 6l1.27-1.27a2 2 0 0 1 2.11-.45 12.84 12.84 0 0 0 2.81.7A2 2 0 0 1 22 16.92z",
  ],
  microphone: ["M12 2a3 3 0 0 0-3 3v7a3 3 0 0 0 6 0V5a3 3 0 0 0-3-3Z", "M19 10v2a7 7 0 0 1-14 0v-2", "M12 19v3"],
  microphoneOff: [
    "m2 2 20 20",
    "M18.9 13.2A7 7 0 0 0 19 12v-2",
    "M5 10v2a7 7 0 0 0 12 5",
    "M15 9.3V5a3 3 0 0 0-5.7-1.3",
    "M9 9v3a3 3 0 0 0 5.1 2.1",
    "M12 19v3",
  ],
  voices: ["M4 10v4", "M8 6v12", "M12 9v6", "M16 4v16", "M20 10v4"],
  lines: ["M4 6h16", "M4 12h11", "M4 18h14"],
  alert: ["M12 8v5", "M12 16.5v.01", "M12 22a10 10 0 1 0 0-20 10 10 0 0 0 0 20Z"],
  copy: ["M9 9h11v11H9z", "M5 15H4V4h11v1"],
  check: ["m5 12.5 4.5 4.5L19 7"],
  down: ["M12 5v14", "m6 13 6 6 6-6"],
  key: ["M15.5 3a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11Z", "M11.5 12.5 3 21", "m6.5 17.5 2.5 2.5"],
  door: ["M5 21V4a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v17", "M3 21h18", "M13.5 12v.01"],
  enter: ["M14 4h4a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-4", "M4 12h10", "m10 8 4 4-4 4"],
  leave: ["M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4", "M10 12h10", "m16 8 4 4-4 4"],
  record: ["M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16Z", "M12 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z"],
  dot: ["M12 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z"],
  camera: ["m22 8-6 4 6 4V8Z", "M4 6h10a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2Z"],
  cameraOff: ["m2 2 20 20", "M10 6h4a2 2 0 0 1 2 2v3l6-3v8", "M16 16a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2h1"],
  screen: ["M4 4h16a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2Z", "M8 21h8", "M12 13V8", "m9 10.5 3-3 3 3"],
  hand: [
    "M18 11V6a1.5 1.5 0 0 0-3 0v5",
    "M15 10.5V4.5a1.5 1.5 0 0 0-3 0v6",
    "M12 10.5v-5a1.5 1.5 0 0 0-3 0V13",
    "M18 9.5a1.5 1.5 0 0 1 3 0V14a8 8 0 0 1-8 8h-1.5a7 7 0 0 1-5-2l-3.7-3.9a1.6 1.6 0 0 1 2.3-2.2L9 16",
  ],
  smile: ["M12 22a10 10 0 1 0 0-20 10 10 0 0 0 0 20Z", "M8 14s1.5 2 4 2 4-2 4-2", "M9 9v.01", "M15 9v.01"],
  chat: ["M21 12a8 8 0 0 1-8 8H4l2.2-2.9A8 8 0 1 1 21 12Z"],
  people: ["M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8Z", "M2 21v-1a6 6 0 0 1 6-6h2a6 6 0 0 1 6 6v1", "M16 3.5a4 4 0 0 1 0 7", "M18.5 14.5A6 6 0 0 1 22 20v1"],
  more: ["M12 5.5v.01", "M12 12v.01", "M12 18.5v.01"],
  captions: ["M4 5h16a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2Z", "M10.5 10.5a2.2 2.2 0 1 0 0 3", "M17.5 10.5a2.2 2.2 0 1 0 0 3"],
  lock: ["M6 11h12a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-8a1 1 0 0 1 1-1Z", "M8 11V7a4 4 0 0 1 8 0v4"],
  shield: ["M12 3 5 5.5v6c0 4.5 2.9 7.9 7 9.5 4.1-1.6 7-5 7-9.5v-6Z", "m9 12 2.2 2.2L15.2 10"],
  close: ["m6 6 12 12", "M18 6 6 18"],
  left: ["m15 5-7 7 7 7"],
  right: ["m9 5 7 7-7 7"],
  send: ["M5 12h14", "m13 6 6 6-6 6"],
  remove: ["M12 22a10 10 0 1 0 0-20 10 10 0 0 0 0 20Z", "M8 12h8"],
  keyboard: ["M4 6h16a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2Z", "M6.5 10v.01", "M10 10v.01", "M14 10v.01", "M17.5 10v.01", "M8 14h8"],
  calendar: ["M5 5h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1Z", "M4 10h16", "M8 3v4", "M16 3v4"],
  home: ["M4 11 12 4l8 7v8a1 1 0 0 1-1 1h-4v-6H9v6H5a1 1 0 0 1-1-1Z"],
  agent: ["M12 3v3", "M6 6h12a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2Z", "M9 12v.01", "M15 12v.01", "M9.5 15.5h5"],
  book: ["M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3Z", "M5 17a3 3 0 0 1 3-3h11"],
  link: ["M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-5.7-5.7l-1.2 1.2", "M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 5.7 5.7l1.2-1.2"],
  chart: ["M4 20V4", "M4 20h16", "M8 16v-5", "M12.5 16V8", "M17 16v-7"],
  list: ["M8 6h12", "M8 12h12", "M8 18h12", "M4 6v.01", "M4 12v.01", "M4 18v.01"],
  gear: ["M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z", "M12 3v3", "M12 18v3", "M3 12h3", "M18 12h3", "m5.6 5.6 2.1 2.1", "m16.3 16.3 2.1 2.1", "m5.6 18.4 2.1-2.1", "m16.3 7.7 2.1-2.1"],
  code: ["m8 7-5 5 5 5", "m16 7 5 5-5 5"],
  file: ["M6 3h8l5 5v12a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1Z", "M14 3v5h5"],
  search: ["M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14Z", "m16 16 5 5"],
  plus: ["M12 5v14", "M5 12h14"],
  play: ["M7.5 5v14l11-7Z"],
  pause: ["M8.5 5v14", "M15.5 5v14"],
  up: ["M12 19V5", "m6 11 6-6 6 6"],
  upload: ["M12 16V5", "m7 10 5-5 5 5", "M5 20h14"],
  question: ["M12 22a10 10 0 1 0 0-20 10 10 0 0 0 0 20Z", "M9.5 9.5a2.5 2.5 0 1 1 3.6 2.2c-.7.4-1.1.9-1.1 1.8", "M12 16.5v.01"],
  history: ["M4 12a8 8 0 1 0 2.5-5.8L4 8.5", "M4 4v4.5h4.5", "M12 8v4l2.5 2.5"],
  target: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z", "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8Z", "M12 12v.01"],
  sound: ["M11 5 6 9H3v6h3l5 4V5Z", "M15.5 8.5a5 5 0 0 1 0 7", "M18.5 5.5a9 9 0 0 1 0 13"],
  sliders: ["M4 7h9", "M17 7h3", "M4 17h3", "M11 17h9", "M15 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z", "M9 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z"],
  contrast: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z", "M12 3v18", "M15 5v14"],
  person: ["M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Z", "M4 21a8 8 0 0 1 16 0"],
} as const;

export type IconName = keyof typeof paths;

/** A decorative icon; the control it stands in carries the words. */
export function icon(name: IconName, size = 20): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const attributes = {
    class: "icon",
    viewBox: "0 0 24 24",
    width: String(size),
    height: String(size),
    fill: "none",
    stroke: "currentColor",
    "stroke-width": "2",
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
    "aria-hidden": "true",
  };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  for (const data of paths[name]) {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", data);
    svg.append(path);
  }
  return svg;
}
