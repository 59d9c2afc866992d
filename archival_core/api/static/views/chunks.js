// Chunks of one hypertable by where they are and why, or what is due in all of them: what numbers elsewhere count.

import { read } from "../core/api.js";
import { breakable, el, say, show as put } from "../core/dom.js";
import * as show from "../core/format.js";
import { address } from "../core/route.js";
import { code } from "../parts/code.js";
import { table } from "../parts/table.js";

const PAGE = 100;
export const title = ({ hypertable }) => (hypertable ? `Chunks of ${hypertable}` : "Chunks that are due");
export const identity = ({ hypertable }) => hypertable ?? "";
let parts;

export async function load({ hypertable, state, because, step, code: held, in_database: there, cursor, skip }) {
  if (hypertable) return read("chunks", { hypertable, state, because, step, code: held, in_database: there, cursor, limit: PAGE });
  return read("dashboard/due", { skip, limit: PAGE });
}

const rangeOf = ({ range, range_start: start, range_end: end }) => range ?? { start, end };

function ofChunk(hypertable, row) {
  const range = rangeOf(row);
  const endless = range.start === null && range.end === null;
  return el("a", { href: address("chunk", { hypertable, chunk: row.chunk }), title: row.chunk, class: endless ? "name" : "nowrap" }, endless ? show.chunk(row.chunk) : show.range(range));
}

const PLACES = { "in-database": "in the database", queued: "queued", running: "being archived", archived: "in both", removed: "in the lake alone", restoring: "on its way back", failed: "failed, in the database" };
const OF_ONE = (hypertable) => [
  { head: "Range", cell: (row) => ofChunk(hypertable, row) },
  { head: "Chunk", cell: ({ chunk }) => el("span", { class: "name" }, ...breakable(show.chunk(chunk))) },
  { head: "Where it is", cell: ({ state }) => PLACES[state] ?? state },
  { head: "In database", numeric: true, cell: ({ database_bytes: bytes }) => (bytes === null ? "–" : show.bytes(bytes)) },
  { head: "In lake", numeric: true, cell: ({ parquet_bytes: bytes }) => (bytes === null ? "–" : show.bytes(bytes)) },
  { head: "What happens next", wide: true, cell: ({ next_step: next }) => [`${next.text[0].toUpperCase()}${next.text.slice(1)}`, next.code ? [". ", code(next.code)] : null].flat() },
];
const DUE = [
  { head: "Due since", cell: ({ due_since: at }) => show.time(at) },
  { head: "Hypertable", cell: ({ hypertable }) => el("a", { href: address("hypertable", { name: hypertable }), class: "name" }, ...breakable(hypertable)) },
  { head: "Range", cell: (row) => ofChunk(row.hypertable, row) },
  { head: "In database", numeric: true, cell: ({ database_bytes: bytes }) => (bytes === null ? "–" : show.bytes(bytes)) },
];

export function make({ hypertable }) {
  const found = table("Chunks", hypertable ? OF_ONE(hypertable) : DUE);
  parts = { found, meant: el("p", { class: "muted" }), total: el("p", { class: "muted", role: "status" }, "Loading"), empty: el("p", { class: "empty" }), first: el("a", { class: "button" }, "First"), next: el("a", { class: "button" }, "Next") };
  return el(
    "div",
    {},
    el("p", { class: "crumbs" }, el("a", { href: address("hypertables") }, "Hypertables"), hypertable ? [" / ", el("a", { href: address("hypertable", { name: hypertable }) }, hypertable)] : null),
    el("h1", {}, hypertable ? "Chunks" : "Chunks that are due"),
    parts.meant,
    parts.total,
    el("section", {}, found.root, parts.empty),
    el("nav", { class: "row end", "aria-label": "Pages" }, parts.first, parts.next),
  );
}

// The filter of the address in words.
function words({ state, because, step, code: held, in_database: there }) {
  const found = [];
  if (there) found.push(there === "true" ? "in the database" : "in the lake alone");
  if (state) found.push([state].flat().map((one) => PLACES[one] ?? one).join(" or "));
  if (because) found.push(`“${[because].flat().join("” or “")}”${step && step !== "nothing" ? `, next ${step}` : ""}`);
  if (held) found.push(`held up by ${[held].flat().join(" or ")}`);
  return found.join("; ");
}

export function update(root, { chunks, next, total }, params) {
  const { hypertable } = params;
  const skip = Number(params.skip ?? 0);
  const narrowed = words(params);
  put(parts.meant, params, () => {
    if (!hypertable) return "What policies want archived and what has no job yet, in all hypertables; what is due for longest comes first. A policy asks for it when there is room among its jobs.";
    return narrowed ? [`Those that are ${narrowed}. `, el("a", { href: address("chunks", { hypertable }) }, "Show all")] : "";
  });
  const shown = show.count(chunks.length);
  const later = hypertable ? next : skip + chunks.length < total ? String(skip + chunks.length) : null;
  const page = params.cursor || skip ? "a later page" : later ? `the first ${shown}` : `all ${shown}`;
  say(parts.total, total === null ? `Shown: ${page}` : `${show.plural(total, "chunk")}; shown: ${page}`);
  parts.found.rows(chunks, ({ hypertable: of, chunk, in_database: there, job_id: id }) => `${of}/${chunk}/${there}/${id}`);
  say(parts.empty, chunks.length ? "" : hypertable ? "No chunk is like that." : "Nothing is due.");
  parts.next.hidden = !later;
  parts.next.href = address("chunks", { ...params, [hypertable ? "cursor" : "skip"]: later ?? "" });
  parts.first.hidden = !params.cursor && !skip;
  parts.first.href = address("chunks", { ...params, cursor: "", skip: "" });
}
