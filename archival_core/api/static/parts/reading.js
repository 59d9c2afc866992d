// What a question has read of each table, and why the rest was not.

import { el } from "../core/dom.js";
import * as show from "../core/format.js";
import { address } from "../core/route.js";
import { table } from "./table.js";

const WHY = { range: "pruned by its range of time", statistics: "pruned by the statistics in its files", empty: "has no rows", "not needed": "not needed: the question had its answer before" };

const span = (begin, end) => (begin === null && end === null ? "–" : `${begin ?? "…"} to ${end ?? "…"}`);

function archives(found, name) {
  const shown = table(`Archives of ${name}`, [
    { head: "Chunk", cell: ({ chunk }) => el("a", { href: address("chunk", { hypertable: name, chunk }) }, show.chunk(chunk)) },
    { head: "Times", cell: ({ begin, end }) => span(begin, end) },
    { head: "Rows", numeric: true, cell: ({ rows }) => show.count(rows) },
    { head: "In the lake", numeric: true, cell: ({ bytes }) => show.bytes(bytes) },
    { head: "Read", numeric: true, cell: ({ is_read: read, bytes_read: bytes }) => (read ? show.bytes(bytes) : "–") },
    { head: "How", wide: true, cell: ({ is_read: read, why, row_groups: all, row_groups_read: some }) => (read ? `${show.count(some)} of ${show.plural(all, "row group")}` : WHY[why] ?? why) },
  ]);
  shown.rows(found, ({ archive }) => archive);
  return shown.root;
}

export function reading(tables) {
  return tables.map(({ table: name, archives: found, conditions, live_rows: live, chunks }) => {
    const read = found.filter(({ is_read: is }) => is).length;
    const planned = chunks.filter(({ is_read: is }) => is).length;
    return el("details", { class: "reading" },
      el("summary", {}, `${name}: ${show.count(read)} of ${show.plural(found.length, "archive")}, ${show.count(planned)} of ${show.plural(chunks.length, "chunk")} in the database, ${show.plural(live, "row")} from there`),
      conditions.length ? el("p", { class: "muted" }, "PostgreSQL was asked: ", ...conditions.flatMap((text) => [el("code", {}, text), " "])) : null,
      found.length ? archives(found, name) : null);
  });
}
