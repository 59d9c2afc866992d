// Where the rows of every chunk of a hypertable are, on its axis. Two lanes: the database above, the lake below. Colours say it again, and
// failures, which lie in the database alone. Where chunks are more than pixels, stretches are drawn, and say how many of which they hold.

import { el, say, svg } from "../core/dom.js";
import * as show from "../core/format.js";

const LANE = 16;
const SPACE = 3;
const HEIGHT = 2 * LANE + SPACE;
export const STATES = {
  failed: { name: "failed, in the database", lanes: [0] },
  archiving: { name: "being archived", lanes: [0] },
  database: { name: "in the database", lanes: [0] },
  archived: { name: "archived, in both", lanes: [0, 1] },
  removed: { name: "removed, in the lake", lanes: [1] },
};
const ORDER = Object.keys(STATES);

export function legend() {
  const tile = (state) =>
    svg("svg", { width: 16, height: 16, "aria-hidden": "true" }, ...STATES[state].lanes.map((lane) => svg("rect", { class: `chunk-${state}`, x: 0.5, y: lane * 8 + 0.5, width: 15, height: 6.5, rx: 1.5 })));
  return el("ul", { class: "legend" }, ...["database", "archiving", "archived", "removed", "failed"].map((state) => el("li", {}, tile(state), STATES[state].name)));
}

export function counts(states) {
  const told = ["database", "archiving", "archived", "removed", "failed"].filter((state) => states[state]).map((state) => `${show.count(states[state])} ${STATES[state].name}`);
  return told.join("; ") || "No chunks";
}

// `open(chunk)` is called for a chunk that is chosen, `zoom(from, to)` for a stretch; without arguments for all of it.
export function chunkMap(label, { open, zoom }) {
  const track = el("div", { class: "track", role: "application", tabindex: 0, "aria-label": label, "aria-roledescription": "chunks in order" });
  const ends = el("p", { class: "ends", "aria-hidden": "true" }, el("span", {}), el("span", {}));
  const readout = el("p", { class: "readout", "aria-live": "polite" });
  const all = el("button", { type: "button", class: "small", onclick: () => zoom() }, "All of it");
  const closer = el("button", { type: "button", class: "small", onclick: () => scale(0.5) }, "Closer");
  const farther = el("button", { type: "button", class: "small", onclick: () => scale(2) }, "Farther");
  const root = el("div", { class: "map" }, el("div", { class: "row end tools" }, closer, farther, all), track, ends, readout);
  let data = null;
  let marks = [];
  let shown = null;
  let drawn = null;

  const label_ = (bound) => (bound === null || bound === undefined ? "" : data.axis === "integer" ? show.count(bound) : show.date(bound));

  function scale(factor) {
    if (!data || data.first === null) return;
    const middle = shown !== null ? (marks[shown].from + marks[shown].to) / 2 : (data.from + data.to) / 2;
    const half = ((data.to - data.from) / 2) * factor;
    const from = Math.max(data.first, middle - half);
    const to = Math.min(data.last, middle + half);
    if (from <= data.first && to >= data.last) zoom();
    else zoom(Math.floor(from), Math.ceil(to));
  }

  function places(width) {
    const length = data.to - data.from || 1;
    const x = (bound, otherwise) => (bound === null ? otherwise : Math.min(Math.max(((bound - data.from) / length) * width, 0), width));
    const items = data.bins
      ? data.bins.filter((bin) => Object.keys(bin.states).length)
      : data.chunks.map((chunk) => ({ ...chunk, states: { [chunk.state]: 1 }, single: chunk }));
    return items.map((item) => {
      const left = x(item.from, 0);
      const right = Math.max(x(item.to, width), left + 1);
      return { ...item, from: item.from ?? data.from, to: item.to ?? data.to, left, width: Math.max(right - left - (right - left > 4 ? 1 : 0), 1) };
    });
  }

  function draw() {
    const width = track.clientWidth;
    if (!width || !data) return;
    marks = places(width);
    const rects = [0, 1].flatMap((lane) =>
      marks.flatMap(({ left, width: wide, states }) => {
        const state = ORDER.find((one) => states[one] && STATES[one].lanes.includes(lane));
        return state ? [svg("rect", { class: `chunk-${state}`, x: left, y: lane * (LANE + SPACE), width: state === "failed" ? Math.max(wide, 3) : wide, height: LANE, rx: Math.min(2.5, wide / 4) })] : [];
      }),
    );
    const lanes = [0, 1].map((lane) => svg("rect", { class: "lane", x: 0, y: lane * (LANE + SPACE), width, height: LANE, rx: 2.5 }));
    track.replaceChildren(svg("svg", { width, height: HEIGHT, "aria-hidden": "true", focusable: "false" }, ...lanes, ...rects, svg("rect", { class: "cursor-frame", y: -2, height: HEIGHT + 4 })));
    say(ends.firstChild, label_(data.from));
    say(ends.lastChild, label_(data.to));
    tell(shown !== null && shown < marks.length ? shown : null);
  }

  function sentence(mark) {
    if (!mark.single) return `${label_(mark.from)} to ${label_(mark.to)}: ${counts(mark.states)}. Enter looks closer.`;
    const { range, state, rows, source_bytes: source, parquet_bytes: parquet, database_bytes: there, chunk } = mark.single;
    const sizes = parquet === null ? (there === null ? "" : `, ${show.bytes(there)}`) : `, ${show.bytes(source)} became ${show.bytes(parquet)}`;
    return `${show.range(range)}: ${STATES[state].name}${rows === null ? "" : `, ${show.plural(rows, "row")}`}${sizes}. ${show.chunk(chunk)}`;
  }

  function tell(number) {
    shown = number;
    const frame = track.querySelector(".cursor-frame");
    const mark = number === null ? null : marks[number];
    if (frame) {
      frame.classList.toggle("on", Boolean(mark));
      if (mark) {
        frame.setAttribute("x", mark.left - 2);
        frame.setAttribute("width", mark.width + 4);
      }
    }
    say(readout, mark ? sentence(mark) : `${counts(data?.states ?? {})}.${data?.problem ? ` Unknown: ${data.problem}.` : ""}`);
  }

  function choose(number) {
    const mark = marks[number];
    if (!mark) return;
    if (mark.single) open(mark.single);
    else zoom(mark.from, mark.to);
  }

  const at = (event) => marks.findLastIndex(({ left }) => left <= event.clientX - track.getBoundingClientRect().left);
  track.addEventListener("pointermove", (event) => { if (marks.length) tell(Math.max(at(event), 0)); });
  track.addEventListener("pointerleave", () => { if (document.activeElement !== track) tell(null); });
  track.addEventListener("click", (event) => choose(Math.max(at(event), 0)));
  track.addEventListener("focus", () => { if (shown === null && marks.length) tell(marks.length - 1); });
  track.addEventListener("blur", () => tell(null));
  track.addEventListener("keydown", (event) => {
    const last = marks.length - 1;
    const here = shown ?? last;
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: last, PageUp: here - 20, PageDown: here + 20 }[event.key];
    if (to !== undefined && marks.length) tell(Math.min(Math.max(to, 0), last));
    else if (event.key === "Enter") choose(here);
    else if (event.key === "+") scale(0.5);
    else if (event.key === "-") scale(2);
    else if (event.key === "0") zoom();
    else return;
    event.preventDefault();
  });
  new ResizeObserver(draw).observe(track);

  return {
    root,
    update(found) {
      const text = JSON.stringify(found);
      if (text === drawn) return;
      drawn = text;
      data = found;
      all.disabled = farther.disabled = found.from === found.first && found.to === found.last;
      closer.disabled = !found.bins && (found.chunks?.length ?? 0) < 2;
      draw();
    },
  };
}
