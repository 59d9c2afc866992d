// Where the archives of a hypertable lie, and how to read them without the service: as the Delta table that they are.

import { copy, el, show as put } from "../core/dom.js";
import * as show from "../core/format.js";
import { said } from "./code.js";

export function inLake(box, name, { tables, problem }, url) {
  const table = tables?.find(({ hypertable }) => hypertable === name) ?? null;
  put(box, [table, problem, url], () => {
    if (problem) return el("p", { class: "bad" }, `Unknown: ${problem}`);
    if (!table) return el("p", { class: "empty" }, "Nothing is archived yet.");
    const state = table.version === null
      ? "Its first version is written within the next minutes."
      : `Version ${table.version} of ${show.time(table.committed_at)}: ${show.plural(table.rows, "row")} in ${show.plural(table.files, "file")} of ${show.plural(table.archives, "archive")}.`;
    const place = `${abfss(url)}/tables/${name}`;
    const sql = `SELECT * FROM delta_scan('${place.replaceAll("'", "''")}');`;
    return [
      el("p", {}, state, table.due_since && table.version !== null ? ` What changed since ${show.time(table.due_since)} is in the next one.` : ""),
      table.left_out ? el("p", { class: "bad" }, `${show.plural(table.left_out, "archive")} cannot be in the table as ${table.left_out === 1 ? "it is" : "they are"}.`) : null,
      table.finding ? el("p", { class: "bad" }, ...said(table.finding)) : null,
      el("p", { class: "muted" }, "A Delta table, with each archived row once. Its Parquet files without its log may have rows twice. In DuckDB, with its extensions delta and azure:"),
      el("pre", {}, sql),
      el("div", { class: "row end" }, copy(place, "Copy the path"), copy(sql, "Copy the SQL")),
    ];
  });
}

function abfss(url) {
  return (url ?? "").replace(/^https:\/\/([^.]+)\.dfs\.core\.windows\.net\/([^/]+)/, "abfss://$2@$1.dfs.core.windows.net");
}
