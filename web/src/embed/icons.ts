/** The few icons of the button; all of the design's would weigh more than its script. After Feather (MIT) and Lucide (ISC). */


const paths = {
  microphone: "M12 2a3 3 0 0 0-3 3v7a3 3 0 0 0 6 0V5a3 3 0 0 0-3-3Z M19 10v2a7 7 0 0 1-14 0v-2 M12 19v3",
  microphoneOff: "m2 2 20 20 M18.9 13.2A7 7 0 0 0 19 12v-2 M5 10v2a7 7 0 0 0 12 5 M15 9.3V5a3 3 0 0 0-5.7-1.3 M9 9v3a3 3 0 0 0 5.1 2.1 M12 19v3",
  voices: "M4 10v4 M8 6v12 M12 9v6 M16 4v16 M20 10v4",
  chat: "M21 12a8 8 0 0 1-8 8H4l2.2-2.9A8 8 0 1 1 21 12Z",
  send: "M5 12h14 m-6-6 6 6-6 6",
  down: "m6 9 6 6 6-6",
  stop: "M7 7h10v10H7z",
  hangUp: "M3 14.5c0-6 18-6 18 0v1.2a1.3 1.3 0 0 1-1.6 1.3l-3-.7a1.3 1.3 0 0 1-1-1.3v-1.6a9.5 9.5 0 0 0-6.8 0V15a1.3 1.3 0 0 1-1 1.3l-3 .7A1.3 1.3 0 0 1 3 15.7Z",
} as const;

export function icon(name: keyof typeof paths): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  const looks = { class: "icon", viewBox: "0 0 24 24", width: "20", height: "20", fill: "none", stroke: "currentColor", "stroke-width": "2", "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" };
  for (const [key, value] of Object.entries(looks)) svg.setAttribute(key, value);
  path.setAttribute("d", paths[name]);
  svg.append(path);
  return svg;
}
