// Who asked for which change, and what came of it.

import { read } from "../core/api.js";
import { el, say } from "../core/dom.js";
import * as show from "../core/format.js";
import { address } from "../core/route.js";
import { code } from "../parts/code.js";
import { table } from "../parts/table.js";

export const title = () => "Audit";
let parts;

export const load = ({ before }) => read("audit", { before, limit: 100 });

export function make() {
  const found = table("Audit", [
    { head: "At", cell: ({ at }) => show.second(at) },
    { head: "Who", cell: ({ who }) => who },
    { head: "Asked", cell: ({ action }) => el("code", {}, action) },
    { head: "For", wide: true, cell: ({ asked }) => Object.entries(asked).map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join("; ") || "–" },
    { head: "Came to", cell: ({ outcome }) => (outcome === "done" ? outcome : outcome ? code(outcome) : el("span", { class: "bad" }, "not known: it did not end")) },
  ]);
  parts = { found, empty: el("p", { class: "empty" }), older: el("a", { class: "button" }, "Older"), first: el("a", { class: "button" }, "Newest") };
  return el("div", {}, el("h1", {}, "Audit"), el("p", { class: "muted" }, "Every request that was to change something. Looks and dry runs are not among them."), el("section", {}, found.root, parts.empty), el("nav", { class: "row end", "aria-label": "Pages" }, parts.first, parts.older));
}

export function update(root, { entries, next }, params) {
  parts.found.rows(entries, ({ entry }) => entry);
  say(parts.empty, entries.length ? "" : "Nobody has asked for a change yet.");
  parts.older.hidden = !next;
  parts.older.href = address("audit", { before: next ?? "" });
  parts.first.hidden = !params.before;
  parts.first.href = address("audit");
}
