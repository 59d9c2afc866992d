// Each hypertable's chunks on its axis. Two lanes say where the rows are, the database above and the lake below; colours say it
// again, and the failures, which lie in the database alone.

import { cursor } from "./cursor.js";
import { byId, el, say, svg, sync } from "./dom.js";
import * as show from "./format.js";

const LANE = 15;
const SPACE = 3;
const HEIGHT = 2 * LANE + SPACE;
const STATES = {
  database: { name: "in the database", lanes: [0] },
  archiving: { name: "being archived", lanes: [0] },
  failed: { name: "failed, in the database", lanes: [0] },
  archived: { name: "archived, in both", lanes: [0, 1] },
  removed: { name: "removed, in the lake", lanes: [1] },
};

const boxes = new Map();

function tile(state) {
  const lanes = STATES[state].lanes.map((lane) => {
    return svg("rect", { class: `chunk-${state}`, x: 0.5, y: lane * 8 + 0.5, width: 15, height: 6.5, rx: 1.5 });
  });
  return svg("svg", { width: 16, height: 16, "aria-hidden": "true" }, ...lanes);
}

export function start() {
  byId("chunk-legend").append(...Object.keys(STATES).map((state) => el("li", {}, tile(state), STATES[state].name)));
  window.addEventListener("resize", () => boxes.forEach((box) => draw(box)));
}

// Pixels of each chunk: by its range, at least one wide, with an open end at the edge of the drawing.
function place(chunks, width) {
  const bounds = chunks.flatMap(({ from, to }) => [from, to]).filter((bound) => bound !== null);
  const first = Math.min(...bounds);
  const last = Math.max(...bounds);
  const scale = last > first ? width / (last - first) : 0;
  const x = (bound, open) => (bound === null || !scale ? open : (bound - first) * scale);
  return chunks.map(({ from, to }) => {
    const left = x(from, 0);
    const right = Math.max(x(to, width), left + 1);
    return { left, width: Math.max(right - left - (right - left > 4 ? 1 : 0), 1) };
  });
}

function draw(box) {
  const { chunks, track } = box;
  const width = track.clientWidth;
  if (!width) return;
  box.places = place(chunks, width);
  const rects = chunks.flatMap((chunk, number) => {
    const { left, width: wide } = box.places[number];
    const rx = Math.min(2.5, wide / 4);
    return STATES[chunk.state].lanes.map((lane) => {
      return svg("rect", { class: `chunk-${chunk.state}`, x: left, y: lane * (LANE + SPACE), width: wide, height: LANE, rx });
    });
  });
  const lanes = [0, 1].map((lane) => svg("rect", { class: "lane", x: 0, y: lane * (LANE + SPACE), width, height: LANE, rx: 2.5 }));
  const marker = svg("rect", { class: "cursor-frame", y: -2, height: HEIGHT + 4 });
  track.replaceChildren(
    svg("svg", { width, height: HEIGHT, "aria-hidden": "true", focusable: "false" }, ...lanes, ...rects, marker),
  );
  tell(box, box.shown);
}

function tell(box, number) {
  box.shown = number !== null && number < box.chunks.length ? number : null;
  const marker = box.track.querySelector(".cursor-frame");
  const found = box.shown === null ? null : box.places[box.shown];
  if (marker) {
    marker.classList.toggle("on", found !== null);
    if (found) {
      marker.setAttribute("x", found.left - 2);
      marker.setAttribute("width", found.width + 4);
    }
  }
  say(box.readout, found === null ? box.summary : sentence(box.chunks[box.shown]));
}

function sentence(chunk) {
  const sizes = chunk.parquet_bytes === null ? "" : `, ${show.bytes(chunk.source_bytes)} became ${show.bytes(chunk.parquet_bytes)}`;
  const rows = chunk.rows === null ? "" : `, ${show.plural(chunk.rows, "row")}`;
  return `${show.range(chunk.range)}: ${STATES[chunk.state].name}${rows}${sizes}. ${show.chunk(chunk.chunk)}`;
}

function summary({ chunks, problem }) {
  const counts = Object.keys(STATES)
    .map((state) => [STATES[state].name, chunks.filter((chunk) => chunk.state === state).length])
    .filter(([, number]) => number);
  const told = counts.map(([name, number]) => `${show.count(number)} ${name}`).join("; ");
  return `${told || "No chunks"}.${problem ? ` ${problem}.` : ""}`;
}

function make(found) {
  const readout = el("p", { class: "readout", "aria-live": "polite" });
  const track = el("div", { class: "track", role: "application", tabindex: 0, "aria-roledescription": "chunks in order" });
  const title = el("h3", {});
  const ends = el("p", { class: "ends", "aria-hidden": "true" }, el("span", {}), el("span", {}));
  const box = { chunks: [], places: [], shown: null, summary: "", readout, track };
  cursor(track, {
    length: () => box.chunks.length,
    at: (x) => box.places.findLastIndex(({ left }) => left <= x),
    show: (number) => tell(box, number),
  });
  boxes.set(found.hypertable, box);
  return el("article", { class: "hypertable" }, title, track, ends, readout);
}

function update(article, found) {
  const box = boxes.get(found.hypertable);
  const [title, track, ends] = article.children;
  say(title, found.hypertable);
  track.setAttribute("aria-label", `Chunks of ${found.hypertable}`);
  const changed = JSON.stringify(found.chunks) !== JSON.stringify(box.chunks);
  box.chunks = found.chunks;
  box.summary = summary(found);
  const label = (bound) => (bound === null || bound === undefined ? "" : found.axis === "integer" ? show.count(bound) : show.date(bound));
  say(ends.firstChild, label(found.chunks[0]?.from));
  say(ends.lastChild, label(found.chunks.at(-1)?.to));
  // its width is known once it is in the page
  if (changed || !track.firstChild) requestAnimationFrame(() => draw(box));
  tell(box, box.shown);
}

export function hypertables(found) {
  sync(byId("hypertables"), found, (one) => one.hypertable, make, update);
  const names = new Set(found.map((one) => one.hypertable));
  for (const name of boxes.keys()) if (!names.has(name)) boxes.delete(name);
  byId("hypertables-empty").hidden = found.length > 0;
  say("hypertables-empty", "No hypertable and no table partitioned by range is known.");
}
