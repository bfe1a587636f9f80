/** Charts over time: stacked bars, or lines. Drawn as SVG, with the same figures as a table for screen readers. */

import { element } from "../dom/element";

export interface Series {
  readonly name: string;
  /** A value for each time; null: nothing was measured. */
  readonly values: readonly (number | null)[];
}

export interface ChartOptions {
  readonly label: string;
  readonly kind: "bars" | "lines";
  /** Words for each time, short ones. */
  readonly times: readonly string[];
  readonly series: readonly Series[];
  /** A value for people. */
  readonly show: (value: number) => string;
}

const WIDTH = 640;
const HEIGHT = 200;
const LEFT = 56;
const BOTTOM = 24;
const TOP = 8;
const SPACE = "http://www.w3.org/2000/svg";

export function chart(options: ChartOptions): HTMLElement {
  const { label, kind, times, series, show } = options;
  const most = ceiling(kind === "bars" ? highestSum(series, times.length) : highest(series));
  const svg = shape("svg", { class: "chart__picture", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", preserveAspectRatio: "none" });
  const x = (number: number): number => LEFT + ((number + 0.5) * (WIDTH - LEFT)) / Math.max(1, times.length);
  const y = (value: number): number => HEIGHT - BOTTOM - (value / most) * (HEIGHT - BOTTOM - TOP);
  for (const part of [0, 0.5, 1]) {
    svg.append(shape("line", { class: "chart__grid", x1: LEFT, x2: WIDTH, y1: y(most * part), y2: y(most * part) }));
  }
  if (kind === "bars") drawBars(svg, options, x, y);
  else drawLines(svg, options, x, y);

  const axis = element("div", { class: "chart__values", "aria-hidden": "true" }, ...[1, 0.5, 0].map((part) => element("span", {}, show(most * part))));
  const ends = element(
    "div",
    { class: "chart__times", "aria-hidden": "true" },
    ...[0, Math.floor((times.length - 1) / 2), times.length - 1]
      .filter((number, place, all) => number >= 0 && all.indexOf(number) === place)
      .map((number) => element("span", {}, times[number] ?? "")),
  );
  const said = element("p", { class: "chart__said", "aria-hidden": "true" });
  const legend = element(
    "ul",
    { class: "chart__legend" },
    ...series.map(({ name }, number) => element("li", { class: "chart__name", "data-series": String(number % 8) }, name)),
  );
  const picture = element("div", { class: "chart__frame" }, axis, svg, ends);
  const root = element("figure", { class: "chart" }, legend, said, picture, readable(options));
  root.setAttribute("aria-label", label);
  const say = (number: number | null): void => {
    root.classList.toggle("chart--pointed", number !== null);
    if (number === null) {
      said.replaceChildren();
      return;
    }
    const parts = series.map(({ name, values }) => [name, values[number] ?? null] as const).filter(([, value]) => value !== null);
    const words = parts.map(([name, value]) => (series.length === 1 ? show(value ?? 0) : `${name} ${show(value ?? 0)}`));
    said.textContent = `${times[number] ?? ""}: ${words.join(" · ") || "–"}`;
  };
  svg.addEventListener("pointermove", (event) => {
    const { left, width } = svg.getBoundingClientRect();
    const place = ((event.clientX - left) / width) * WIDTH - LEFT;
    const number = Math.floor((place / (WIDTH - LEFT)) * times.length);
    say(number >= 0 && number < times.length ? number : null);
  });
  svg.addEventListener("pointerleave", () => say(null));
  return root;
}

/** A round number not below `value`: 1, 2 or 5 with zeros. */
export function ceiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value * 0.999_999) ?? 10) * power;
}

function drawBars(svg: SVGElement, { times, series }: ChartOptions, x: (n: number) => number, y: (v: number) => number): void {
  const width = Math.max(1, ((WIDTH - LEFT) / Math.max(1, times.length)) * 0.7);
  times.forEach((_, time) => {
    let below = 0;
    series.forEach(({ values }, number) => {
      const value = values[time] ?? 0;
      if (value <= 0) return;
      const [top, bottom] = [y(below + value), y(below)];
      svg.append(
        shape("rect", { class: "chart__bar", "data-series": number % 8, x: x(time) - width / 2, y: top, width, height: Math.max(0.5, bottom - top) }),
      );
      below += value;
    });
  });
}

function drawLines(svg: SVGElement, { series }: ChartOptions, x: (n: number) => number, y: (v: number) => number): void {
  series.forEach(({ values }, number) => {
    let path = "";
    let isDown = false;
    values.forEach((value, time) => {
      if (value === null) {
        isDown = false;
        return;
      }
      path += `${isDown ? "L" : "M"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
      const alone = !isDown && (values[time + 1] ?? null) === null;
      if (alone) svg.append(shape("circle", { class: "chart__dot", "data-series": number % 8, cx: x(time), cy: y(value), r: 3 }));
      isDown = true;
    });
    svg.append(shape("path", { class: "chart__line", "data-series": number % 8, d: path, "vector-effect": "non-scaling-stroke" }));
  });
}

function readable({ label, times, series, show }: ChartOptions): HTMLElement {
  // A table is as wide as its words, whatever a style says: what hides it stands around it.
  const figures = element(
    "table",
    {},
    element("caption", {}, label),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Time"), ...series.map(({ name }) => element("th", { scope: "col" }, name)))),
    element(
      "tbody",
      {},
      ...times.map((time, number) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, time),
          ...series.map(({ values }) => element("td", {}, values[number] === null || values[number] === undefined ? "–" : show(values[number]))),
        ),
      ),
    ),
  );
  return element("div", { class: "visually-hidden" }, figures);
}

function highest(series: readonly Series[]): number {
  return Math.max(0, ...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
}

function highestSum(series: readonly Series[], times: number): number {
  return Math.max(0, ...Array.from({ length: times }, (_, time) => series.reduce((sum, { values }) => sum + (values[time] ?? 0), 0)));
}

function shape(tag: string, attributes: Record<string, string | number>): SVGElement {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}
