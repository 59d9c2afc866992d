// A quick drawing of an answer: one column of numbers over another column, as a line where that one has an order, else as bars.

import { el, say, svg } from "../core/dom.js";
import * as show from "../core/format.js";
import { cursor } from "./cursor.js";
import { isNumber } from "./result.js";

const HEIGHT = 180;
const LEFT = 64;
const BOTTOM = 22;
const TOP = 8;
const MOST_BARS = 60;

const isMoment = (type) => /^(TIMESTAMP|DATE)/.test(type);

// The number at which a value stands, or null.
function place(value, type) {
  const found = value === null ? NaN : isMoment(type) ? Date.parse(value) : Number(value);
  return Number.isFinite(found) ? found : null;
}

function step(value) {
  const decade = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 2, 5, 10].find((factor) => factor * decade >= value) * decade;
}

function ticks(low, high) {
  const wide = step((high - low || Math.abs(high) || 1) / 4);
  const found = [];
  for (let at = Math.floor(low / wide) * wide; found.length < 8; at += wide) {
    found.push(Number(at.toPrecision(12)));
    if (at >= high) break;
  }
  return found;
}

const short = (value) => (Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(1) : value.toLocaleString("en", { maximumFractionDigits: 4 }));

// `set` puts what is chosen into the address.
export function plot(set) {
  const over = el("select", { id: "plot-x", onchange: () => set({ x: over.value, y: of.value }) });
  const of = el("select", { id: "plot-y", onchange: () => set({ x: over.value, y: of.value }) });
  const box = el("div", { class: "chart plot", role: "application", tabindex: 0, "aria-label": "The rows as a drawing" });
  const readout = el("p", { class: "readout", "aria-live": "polite" });
  const root = el("details", { class: "drawing", open: true, hidden: true }, el("summary", {}, "Chart"), el("div", { class: "filters" }, el("label", { class: "field" }, "Draw", of), el("label", { class: "field" }, "over", over)), box, readout);
  let columns = [];
  let rows = [];
  let marks = [];
  let bars = false;

  function choose({ x, y }) {
    const numbers = columns.filter(({ type }) => isNumber(type));
    const ordered = columns.find(({ type }) => isMoment(type)) ?? columns.find(({ type }) => !isNumber(type)) ?? columns[0];
    over.value = columns.some(({ name }) => name === x) ? x : ordered?.name ?? "";
    of.value = numbers.some(({ name }) => name === y) ? y : (numbers.find(({ name }) => name !== over.value) ?? numbers[0])?.name ?? "";
    root.hidden = !numbers.length || rows.length < 2;
    draw();
  }

  function collect() {
    const [a, b] = [over, of].map(({ value }) => columns.findIndex(({ name }) => name === value));
    if (a < 0 || b < 0) return;
    bars = !isMoment(columns[a].type) && !isNumber(columns[a].type);
    marks = rows
      .map((row, number) => ({ x: bars ? number : place(row[a], columns[a].type), y: place(row[b], columns[b].type), label: row[a] === null ? "NULL" : String(row[a]) }))
      .filter(({ x, y }) => x !== null && y !== null);
    if (bars) marks = marks.slice(0, MOST_BARS);
    else marks.sort((one, other) => one.x - other.x);
  }

  function draw() {
    const width = box.clientWidth;
    collect();
    if (!width || !marks.length || root.hidden) {
      box.replaceChildren();
      return tell(null);
    }
    const values = marks.map(({ y }) => y);
    const scale = ticks(bars ? Math.min(0, ...values) : Math.min(...values), Math.max(...values, bars ? 0 : -Infinity));
    const [low, high] = [scale[0], scale.at(-1)];
    const y = (value) => TOP + HEIGHT * (1 - (value - low) / (high - low || 1));
    const first = marks[0].x;
    const span = marks.at(-1).x - first || 1;
    const wide = (width - LEFT) / marks.length;
    for (const [number, mark] of marks.entries()) {
      mark.left = bars ? LEFT + number * wide + wide / 2 : LEFT + ((mark.x - first) / span) * (width - LEFT - 4);
      mark.top = y(mark.y);
    }
    const drawn = bars
      ? marks.map(({ left, top, y: value }) => svg("rect", { class: "bar-archived", x: left - wide * 0.38, y: Math.min(top, y(Math.max(low, 0))), width: Math.max(wide * 0.76, 1), height: Math.max(Math.abs(top - y(Math.max(low, 0))), value ? 1 : 0) }))
      : [svg("polyline", { class: "line", points: marks.map(({ left, top }) => `${left.toFixed(1)},${top.toFixed(1)}`).join(" ") }), ...(marks.length <= 120 ? marks.map(({ left, top }) => svg("circle", { class: "line-dot", cx: left, cy: top, r: 2.2 })) : [])];
    const label = (mark) => (mark.label.length > 19 ? `${mark.label.slice(0, 18)}…` : mark.label);
    box.replaceChildren(
      svg("svg", { width, height: TOP + HEIGHT + BOTTOM, "aria-hidden": "true", focusable: "false" },
        ...scale.flatMap((value) => [svg("line", { class: "grid", x1: LEFT, x2: width, y1: y(value), y2: y(value) }), svg("text", { class: "tick", x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, short(value))]),
        ...drawn,
        svg("text", { class: "tick", x: LEFT, y: TOP + HEIGHT + 17 }, label(marks[0])),
        svg("text", { class: "tick", x: width, y: TOP + HEIGHT + 17, "text-anchor": "end" }, marks.length > 1 ? label(marks.at(-1)) : ""),
        svg("circle", { class: "cursor-dot", r: 4.5 })),
    );
    tell(null);
  }

  function tell(number) {
    const dot = box.querySelector(".cursor-dot");
    const mark = number === null ? null : marks[number];
    dot?.classList.toggle("on", Boolean(mark));
    if (dot && mark) {
      dot.setAttribute("cx", mark.left);
      dot.setAttribute("cy", mark.top);
    }
    const left = rows.length - marks.length;
    const all = bars && rows.length > MOST_BARS ? `The first ${MOST_BARS} of ${show.plural(rows.length, "row")}.` : left ? `${show.plural(left, "row")} without a number ${left === 1 ? "is" : "are"} not drawn.` : "";
    say(readout, mark ? `${over.value} ${mark.label}: ${of.value} ${short(mark.y)}` : `${of.value} over ${over.value}. ${all}`);
  }

  // the nearest mark to the pointer
  const at = (x) => {
    const after = marks.findIndex(({ left }) => left >= x);
    if (after <= 0) return after < 0 ? marks.length - 1 : 0;
    return x - marks[after - 1].left < marks[after].left - x ? after - 1 : after;
  };
  cursor(box, { length: () => marks.length, at, show: tell });
  new ResizeObserver(draw).observe(box);

  return {
    root,
    choose,
    update(found, answer, params) {
      columns = found;
      rows = answer;
      over.replaceChildren(...columns.map(({ name }) => el("option", { value: name }, name)));
      of.replaceChildren(...columns.filter(({ type }) => isNumber(type)).map(({ name }) => el("option", { value: name }, name)));
      choose(params);
    },
  };
}
