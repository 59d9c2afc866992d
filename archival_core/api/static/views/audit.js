// Who asked for which change, and what came of it.

import { read } from "../core/api.js";
import { el, say } from "../core/dom.js";
import * as show from "../core/format.js";
import { address, set } from "../core/route.js";
import { code } from "../parts/code.js";
import { counted } from "../parts/counted.js";
import { table } from "../parts/table.js";

export const title = () => "Audit";
let parts;

// A line that was about one job names it; of others the list has them.
function jobsOf({ entry, jobs, asked }) {
  const one = asked.job_id ?? (asked.job_ids?.length === 1 ? asked.job_ids[0] : null);
  if (one) return el("a", { href: address("job", { id: one }), class: "mono" }, show.shortId(one));
  return jobs ? counted(jobs, show.plural(jobs, "job"), "jobs", { audit: entry }) : "–";
}

const written = (value) => (typeof value === "string" ? value : JSON.stringify(value));

// What was asked for, each name that has a view as the way there. A list of jobs is told by its length: the jobs are a column.
function asked({ asked: found, hypertable, chunk }) {
  const ways = {
    hypertable: hypertable && address("hypertable", { name: hypertable }),
    chunk: hypertable && chunk && address("chunk", { hypertable, chunk }),
    job_id: found.job_id && address("job", { id: found.job_id }),
  };
  const told = Object.entries(found).filter(([name]) => name !== "cursor").map(([name, value]) => {
    if (name === "job_ids" && Array.isArray(value)) return show.plural(value.length, "job");
    return [`${name}: `, ways[name] ? el("a", { href: ways[name] }, written(value)) : written(value)];
  });
  if (found.cursor) told.push("goes on from an earlier call");
  return told.length ? told.flatMap((part, place) => (place ? ["; ", part] : [part])).flat() : "–";
}

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
    { head: "For", wide: true, cell: asked },
    { head: "Jobs", cell: jobsOf },
    { head: "Came to", cell: ({ outcome }) => (outcome === "done" ? outcome : outcome ? code(outcome) : el("span", { class: "bad" }, "not known: it did not end")) },
  ]);
  parts = { search, found, total: el("p", { class: "muted", role: "status" }, "Loading"), empty: el("p", { class: "empty" }), older: el("a", { class: "button" }, "Older"), first: el("a", { class: "button" }, "Newest") };
  return el("div", {}, el("div", { class: "heading" }, el("h1", {}, "Audit"), search), el("p", { class: "muted" }, "Every request that was to change something. Looks and dry runs are not among them. “Jobs” are those that it made or changed, as they are now."), parts.total, el("section", {}, found.root, parts.empty), el("nav", { class: "row end", "aria-label": "Pages" }, parts.first, parts.older));
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
