// Bytes of each day as bars, and below them the compression ratio as a line; drawn in real pixels, so that text stays sharp.

import { el, say, svg } from "../core/dom.js";
import * as show from "../core/format.js";
import { cursor } from "./cursor.js";

const BARS = 150;
const LINE = 56;
const GAP = 26;
const LEFT = 58;
const BOTTOM = 22;
const TOP = 8;

let box;
let readout;
let details;
let inner;
let legend;
let days = [];
let step = 1;
let shown = null;

// The next 1, 2 or 5 of its decade: an axis that ends in a round number.
function round(value) {
  if (value <= 0) return 1;
  const decade = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((factor) => factor * decade >= value) * decade;
}

function tell(place) {
  shown = place;
  const marker = box.querySelector(".cursor");
  if (marker) {
    marker.setAttribute("x", LEFT + (place ?? 0) * step);
    marker.classList.toggle("on", place !== null);
  }
  say(readout, place === null ? summary() : sentence(days[place]));
}

function sentence({ day, archived, removed, restored, failed, ratio }) {
  const parts = [];
  if (archived.jobs) {
    const sizes = `${show.bytes(archived.source_bytes)} became ${show.bytes(archived.parquet_bytes)} (${show.ratio(ratio)})`;
    parts.push(`${show.plural(archived.jobs, "chunk")} archived, ${sizes}`);
  }
  if (removed.jobs) parts.push(`${show.bytes(removed.source_bytes)} left the database with ${show.plural(removed.jobs, "chunk")}`);
  if (restored.jobs) parts.push(`${show.plural(restored.jobs, "chunk")} restored`);
  if (failed) parts.push(show.plural(failed, "failure"));
  return `${show.day(day)}: ${parts.join("; ") || "nothing"}.`;
}

function summary() {
  const total = (of, what) => days.reduce((sum, one) => sum + one[of][what], 0);
  const chunks = total("archived", "jobs");
  if (!chunks && !total("removed", "jobs")) return `Nothing was archived in ${days.length} days.`;
  const left = show.bytes(total("removed", "source_bytes"));
  return `In ${days.length} days ${show.plural(chunks, "chunk")} of ${show.bytes(total("archived", "source_bytes"))} archived, ${left} left the database.`;
}

function axis(height, top, highest, label) {
  return [0, 0.5, 1].flatMap((share) => {
    const y = top + height * (1 - share);
    return [
      svg("line", { class: "grid", x1: LEFT, x2: "100%", y1: y, y2: y }),
      svg("text", { class: "tick", x: LEFT - 8, y: y + 4, "text-anchor": "end" }, label(highest * share)),
    ];
  });
}

// The two bars of a day stand side by side, and touch its middle.
function bar(place, value, highest, kind) {
  if (!value) return [];
  const height = Math.max((BARS * value) / highest, 1.5);
  const width = Math.min(Math.max(step * 0.38, 1), 26);
  const middle = LEFT + (place + 0.5) * step;
  const x = kind === "archived" ? middle - width - 0.5 : middle + 0.5;
  return [svg("rect", { class: `bar-${kind}`, x, y: TOP + BARS - height, width, height, rx: Math.min(2, width / 4) })];
}

function ratioLine(top, highest) {
  const point = (one, place) => [LEFT + (place + 0.5) * step, top + LINE * (1 - one.ratio / highest)];
  const points = days.map((one, place) => (one.ratio === null ? null : point(one, place))).filter(Boolean);
  return [
    svg("polyline", { class: "ratio", points: points.map((pair) => pair.join(",")).join(" ") }),
    ...points.map(([cx, cy]) => svg("circle", { class: "ratio-dot", cx, cy, r: Math.min(3, Math.max(1.5, step / 4)) })),
  ];
}

function draw() {
  const width = box.clientWidth;
  if (!width || !days.length) return;
  step = (width - LEFT) / days.length;
  const highest = round(Math.max(...days.map((one) => Math.max(one.archived.source_bytes, one.removed.source_bytes))));
  const best = Math.max(2, Math.ceil(Math.max(...days.map((one) => one.ratio ?? 0)) / 2) * 2);
  const lineTop = TOP + BARS + GAP;
  const height = lineTop + LINE + BOTTOM;
  const every = Math.max(1, Math.ceil(64 / step));
  const labels = days.map((one, place) => [one, place]).filter(([, place]) => (days.length - 1 - place) % every === 0);
  const drawing = svg(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", focusable: "false" },
    svg("rect", { class: "cursor", x: LEFT, y: TOP, width: step, height: lineTop + LINE - TOP }),
    ...axis(BARS, TOP, highest, (value) => (value ? show.bytes(value).replace(/(\.\d*?)0+ /, "$1 ").replace(". ", " ") : "0")),
    ...axis(LINE, lineTop, best, (value) => (value ? show.ratio(value) : "")),
    ...days.flatMap((one, place) => [
      ...bar(place, one.archived.source_bytes, highest, "archived"),
      ...bar(place, one.removed.source_bytes, highest, "removed"),
    ]),
    ...ratioLine(lineTop, best),
    ...labels.map(([one, place]) => {
      const last = place === days.length - 1;
      const x = last ? width : LEFT + (place + 0.5) * step;
      return svg("text", { class: "tick", x, y: height - 4, "text-anchor": last ? "end" : "middle" }, show.day(one.day));
    }),
  );
  box.replaceChildren(drawing);
  tell(shown === null ? null : Math.min(shown, days.length - 1));
}

function table() {
  const head = ["Day", "Chunks archived", "In the database", "In the lake", "Ratio", "Left the database", "Failed"];
  const rows = days.filter((one) => one.archived.jobs || one.removed.jobs || one.failed).reverse();
  details.hidden = !rows.length;
  inner.replaceChildren(
    el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))),
    el(
      "tbody",
      {},
      ...rows.map((one) => {
        const sizes = [show.bytes(one.archived.source_bytes), show.bytes(one.archived.parquet_bytes), show.ratio(one.ratio)];
        const cells = [show.count(one.archived.jobs), ...sizes, show.bytes(one.removed.source_bytes), show.count(one.failed)];
        return el("tr", {}, el("th", { scope: "row" }, show.day(one.day)), ...cells.map((cell) => el("td", {}, cell)));
      }),
    ),
  );
}

export function timeline(found) {
  const changed = JSON.stringify(found) !== JSON.stringify(days);
  days = found;
  if (!changed) return;
  const something = days.some((one) => one.archived.jobs || one.removed.jobs || one.failed);
  box.hidden = !something;
  legend.hidden = !something;
  table();
  draw();
  tell(shown);
}

// The drawing with what explains it; the page has one.
export function chart() {
  box = el("div", { class: "chart", id: "chart", role: "application", tabindex: 0, "aria-label": "Archived and removed, day by day" });
  readout = el("p", { class: "readout", id: "chart-readout", "aria-live": "polite" }, "Loading");
  inner = el("table", { id: "chart-table" });
  details = el("details", { hidden: true }, el("summary", {}, "The same as a table"), el("div", { class: "scroll" }, inner));
  const item = (kind, text) => el("li", {}, el("span", { class: `swatch ${kind}` }), text);
  legend = el("ul", { class: "legend", "aria-hidden": "true" }, item("archived", "archived, as it was in the database"), item("removed", "removed from the database"), item("line", "compression ratio"));
  days = [];
  shown = null;
  cursor(box, { length: () => days.length, at: (x) => Math.floor((x - LEFT) / step), show: tell });
  new ResizeObserver(draw).observe(box);
  return [legend, box, readout, details];
}
