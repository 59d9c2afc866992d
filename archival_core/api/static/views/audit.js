// Who asked for which change, and what came of it.

import { read } from "../core/api.js";
import { el, say } from "../core/dom.js";
import * as show from "../core/format.js";
import { address, set } from "../core/route.js";
import { code } from "../parts/code.js";
import { table } from "../parts/table.js";

export const title = () => "Audit";
let parts;

export const load = ({ before, text }) => read("audit", { before, text, limit: 100 });

export function make(params) {
  const search = el("input", { type: "search", id: "search", placeholder: "Who, what, table", "aria-label": "Search the audit", value: params.text ?? "", autocomplete: "off", maxlength: 200 });
  search.addEventListener("change", () => set({ text: search.value.trim(), before: "" }));
  // a field that is emptied by its own cross tells it so
  search.addEventListener("search", () => set({ text: search.value.trim(), before: "" }));
  const found = table("Audit", [
    { head: "At", cell: ({ at }) => show.second(at) },
    { head: "Who", cell: ({ who }) => who },
    { head: "Asked", cell: ({ action }) => el("code", {}, action) },
    { head: "For", wide: true, cell: ({ asked }) => Object.entries(asked).map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join("; ") || "–" },
    { head: "Came to", cell: ({ outcome }) => (outcome === "done" ? outcome : outcome ? code(outcome) : el("span", { class: "bad" }, "not known: it did not end")) },
  ]);
  parts = { search, found, total: el("p", { class: "muted", role: "status" }, "Loading"), empty: el("p", { class: "empty" }), older: el("a", { class: "button" }, "Older"), first: el("a", { class: "button" }, "Newest") };
  return el("div", {}, el("div", { class: "heading" }, el("h1", {}, "Audit"), search), el("p", { class: "muted" }, "Every request that was to change something. Looks and dry runs are not among them."), parts.total, el("section", {}, found.root, parts.empty), el("nav", { class: "row end", "aria-label": "Pages" }, parts.first, parts.older));
}

export function update(root, { entries, next }, params) {
  parts.found.rows(entries, ({ entry }) => entry);
  if (document.activeElement !== parts.search) parts.search.value = params.text ?? "";
  const which = params.before ? "" : next ? "the newest " : "all ";
  say(parts.total, entries.length ? `Shown: ${which}${show.count(entries.length)}${params.text ? ` with “${params.text}” in them` : ""}${next ? "; there are older ones" : ", to the first"}` : "");
  say(parts.empty, entries.length ? "" : params.text ? "Nobody and nothing has that in it." : "Nobody has asked for a change yet.");
  parts.older.hidden = !next;
  parts.older.href = address("audit", { ...params, before: next ?? "" });
  parts.first.hidden = !params.before;
  parts.first.href = address("audit", { ...params, before: "" });
}
