// Every hypertable with what is known of it, to sort and to search.

import { read } from "../core/api.js";
import { el, say, show as put } from "../core/dom.js";
import * as show from "../core/format.js";
import { address, set } from "../core/route.js";
import { counted } from "../parts/counted.js";
import { FREED, FREED_THIS_MONTH, SAVED } from "../parts/meanings.js";
import { lateOf } from "../parts/state.js";
import { table } from "../parts/table.js";

export const title = () => "Hypertables";
let parts;

export const load = () => read("dashboard/hypertables");

const chunksOf = ({ states }, ...names) => names.reduce((sum, name) => sum + (states[name] ?? 0), 0);
const days = (seconds) => (seconds === null ? null : show.count(Math.round(seconds / 8640) / 10));

export function policyOf(found) {
  if (found.archive_after_seconds === null) return "none";
  const removed = found.remove_after_seconds === null ? "kept" : `removed ${days(found.remove_after_seconds)} d`;
  return `${found.policy_enabled ? "" : "off: "}archived ${days(found.archive_after_seconds)} d, ${removed}`;
}

const listed = (row, number, filter) => counted(number, show.count(number), "chunks", { hypertable: row.hypertable, ...filter });

const COLUMNS = [
  { head: "Hypertable", sort: "name", by: (row) => row.hypertable, cell: (row) => el("a", { href: address("hypertable", { name: row.hypertable }) }, row.hypertable) },
  { head: "In database", sort: "database", numeric: true, by: (row) => row.database_bytes ?? -1, cell: (row) => (row.problem ? el("span", { class: "bad", title: row.problem }, "unknown") : show.bytes(row.database_bytes)) },
  { head: "Chunks there", sort: "there", numeric: true, by: (row) => row.in_database ?? -1, cell: (row) => listed(row, row.in_database, { in_database: "true" }) },
  { head: "Of them in both", sort: "both", numeric: true, by: (row) => chunksOf(row, "archived"), cell: (row) => listed(row, chunksOf(row, "archived"), { in_database: "true", state: "archived" }) },
  { head: "In lake alone", sort: "removed", numeric: true, by: (row) => chunksOf(row, "removed"), cell: (row) => listed(row, chunksOf(row, "removed"), { in_database: "false" }) },
  { head: "Oldest there", sort: "oldest", kind: "date", by: (row) => row.oldest ?? "~", cell: (row) => (row.oldest ? row.oldest.slice(0, 10) : "–") },
  { head: "Policy", sort: "policy", by: (row) => row.archive_after_seconds ?? Infinity, cell: (row) => [policyOf(row), row.policy_problem ? el("span", { class: "bad" }, ` ${row.policy_problem}`) : null] },
  { head: "Behind", sort: "behind", numeric: true, by: (row) => row.behind_days ?? -1, cell: (row) => (row.behind_days === null ? (row.lateness || row.archive_after_seconds === null ? "–" : "unknown") : el("span", { class: row.behind_days > 1 ? "bad" : null }, show.duration(row.behind_days * 86400))) },
  { head: "Failed", sort: "failed", numeric: true, by: (row) => row.failures, cell: (row) => (row.failures ? el("a", { class: "bad", href: address("jobs", { hypertable: row.hypertable, status: "failed", open: "true" }), title: row.last_error ? `The newest: ${row.last_error.code}: ${row.last_error.message}` : null }, show.count(row.failures)) : "–") },
  { head: "Freed", help: FREED, sort: "freed", numeric: true, by: (row) => row.freed_bytes, cell: (row) => show.bytes(row.freed_bytes) },
  { head: "This month", help: FREED_THIS_MONTH, sort: "month", numeric: true, by: (row) => row.freed_this_month ?? -1, cell: (row) => el("span", { title: row.saved_this_month === null ? null : `would cost ${show.money(row.saved_this_month, row.currency)} a month in the database` }, show.bytes(row.freed_this_month)) },
  { head: "Saved a month", help: SAVED, sort: "saved", numeric: true, by: (row) => row.saved_month, cell: (row) => show.money(row.saved_month, row.currency) },
];

export function make(params) {
  const search = el("input", { type: "search", id: "search", placeholder: "Name", "aria-label": "Search hypertables", value: params.q ?? "", autocomplete: "off" });
  search.addEventListener("input", () => set({ q: search.value }));
  const found = table("Hypertables", COLUMNS, {
    onSort: (name) => set({ sort: name, dir: parts.sort === name && parts.dir === "up" ? "down" : "up" }),
  });
  // a narrow screen shows cards, which have no heads to press
  const order = el("select", { id: "sort-by", onchange: () => set({ sort: order.value, dir: order.value === "name" || order.value === "oldest" ? "up" : "down" }) }, ...COLUMNS.map(({ head, sort }) => el("option", { value: sort }, head)));
  parts = { order, found, all: el("p", { class: "muted" }), sums: el("p", { class: "muted", id: "sums" }), total: el("p", { class: "muted", role: "status" }, "Loading"), empty: el("p", { class: "empty" }) };
  return el("div", {}, el("div", { class: "heading" }, el("h1", {}, "Hypertables"), el("div", { class: "row" }, el("label", { class: "narrow field" }, "Sorted by", order), search)), parts.all, parts.total, parts.sums, el("section", {}, found.root, parts.empty));
}

export function update(root, { hypertables: found, as_of: asOf }, params, state) {
  const currency = state.money?.currency ?? "";
  const hypertables = found.map((row) => ({ ...row, currency, lateness: state.behind !== null }));
  parts.sort = params.sort ?? "name";
  parts.dir = params.dir ?? "up";
  const column = COLUMNS.find(({ sort }) => sort === parts.sort) ?? COLUMNS[0];
  const late = params.late === "true" ? new Set(lateOf(state.behind).map(({ hypertable }) => hypertable)) : null;
  const wanted = hypertables.filter(({ hypertable }) => (late === null || late.has(hypertable)) && hypertable.toLowerCase().includes((params.q ?? "").toLowerCase()));
  const compare = (a, b) => (column.by(a) < column.by(b) ? -1 : column.by(a) > column.by(b) ? 1 : a.hypertable < b.hypertable ? -1 : 1);
  wanted.sort((a, b) => (parts.dir === "down" ? compare(b, a) : compare(a, b)));
  parts.found.rows(wanted, ({ hypertable }) => hypertable);
  parts.found.sorted(column.sort, parts.dir);
  parts.order.value = column.sort;
  // each hypertable counts once: the table has no row of sums that could be added to its own parts
  const sum = (name) => (wanted.some((row) => row[name] === null) ? null : wanted.reduce((all, row) => all + row[name], 0));
  const chunks = wanted.reduce((sum, row) => sum + Object.values(row.states).reduce((all, number) => all + number, 0), 0);
  const old = Date.now() - new Date(asOf).getTime() > 60000 ? `, as of ${show.clock(asOf)}` : "";
  put(parts.all, late !== null, () => (late === null ? "" : ["Shown: those that are behind their policies. ", el("a", { href: address("hypertables", { ...params, late: "" }) }, "Show all")]));
  say(parts.total, `${show.plural(wanted.length, "hypertable")}${wanted.length < hypertables.length ? ` of ${show.count(hypertables.length)}` : ""}, ${show.plural(chunks, "chunk")}${old}`);
  say(parts.sums, `In all ${show.bytes(sum("freed_bytes"))} freed, which saves ${show.money(sum("saved_month"), currency)} a month, the price of the lake taken off; this month ${show.bytes(sum("freed_this_month"))} freed, which would cost ${show.money(sum("saved_this_month"), currency)} a month in the database.`);
  parts.sums.hidden = !wanted.length;
  say(parts.empty, wanted.length ? "" : late && !late.size ? "None is behind its policy by more than a day." : hypertables.length ? "No name has that in it." : "The source has no hypertable and no table partitioned by range, and the ledger knows none.");
}
