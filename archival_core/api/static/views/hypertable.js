// One hypertable: its whole map, why its chunks are where they are, its policy, and where its table lies in the lake.

import { act, ask, Wanted } from "../core/act.js";
import { post, Problem, read } from "../core/api.js";
import { coded, el, say, show as put } from "../core/dom.js";
import * as show from "../core/format.js";
import { address, set } from "../core/route.js";
import { code } from "../parts/code.js";
import { counted } from "../parts/counted.js";
import { findChunk } from "../parts/find_chunk.js";
import { inLake } from "../parts/in_lake.js";
import { chunkMap, legend } from "../parts/map.js";
import { FREED_THIS_MONTH } from "../parts/meanings.js";
import * as policy from "../parts/policy.js";
import { table } from "../parts/table.js";

export const title = ({ name }) => name;
export const identity = ({ name }) => name;
export const every = 2;
let parts;

export async function load({ name, from, to }, full) {
  const [map, why, summaries, lake] = await Promise.all([
    read("dashboard/chunks", { hypertable: name, from, to, bins: Math.max(200, Math.min(1500, Math.floor(document.documentElement.clientWidth / 2))) }),
    full ? read("chunks/why", { hypertable: name }).catch((error) => { if (error instanceof Problem) return { problem: error.message }; throw error; }) : null,
    read("dashboard/hypertables"),
    full ? read("tables").catch((error) => { if (error instanceof Problem) return { problem: error.message }; throw error; }) : null,
  ]);
  return { map, why, summary: summaries.hypertables.find(({ hypertable }) => hypertable === name) ?? null, lake, full };
}

// Which chunks a reason means, for the list of them. A reason without a code is no filter beside the same reason with one.
function meantBy({ because, step, example }, reasons) {
  const code = example.next_step.code ?? undefined;
  return code || reasons.filter((other) => other.because === because && other.step === step).length === 1 ? { because, step, code } : null;
}

// The time in it is that of the first chunk alone.
function sentence(chunks, { at, text }) {
  return chunks > 1 && at ? `The first of them ${text}` : `${text[0].toUpperCase()}${text.slice(1)}`;
}

export function make({ name }) {
  const map = chunkMap(`Chunks of ${name}`, {
    open: ({ chunk }) => { location.hash = address("chunk", { hypertable: name, chunk }); },
    zoom: (from, to) => set({ from, to }),
  });
  const reasons = table("Why chunks are where they are", [
    { head: "Chunks", numeric: true, cell: ({ chunks, filter }) => (filter ? counted(chunks, show.count(chunks), "chunks", { hypertable: name, ...filter }) : show.count(chunks)) },
    { head: "Why", wide: true, kind: "main-cell", cell: ({ chunks, example: { next_step: next } }) => [sentence(chunks, next), next.code ? [". ", code(next.code)] : null, next.remedy ? el("p", { class: "remedy" }, ...coded(next.remedy)) : null].flat() },
    { head: "First goes on", cell: ({ first_at: at }) => (at ? show.time(at) : "–") },
    { head: "In database", numeric: true, cell: ({ bytes }) => (bytes ? show.bytes(bytes) : "–") },
    { head: "For example", cell: ({ example }) => el("a", { href: address("chunk", { hypertable: name, chunk: example.chunk }) }, show.chunk(example.chunk)) },
  ]);
  parts = { map, reasons, facts: el("dl", { class: "facts brief" }), whyProblem: el("p", { class: "bad", hidden: true }), lake: el("div", {}), policy: policy.make(name) };
  return el(
    "div",
    {},
    el("p", { class: "crumbs" }, el("a", { href: address("hypertables") }, "Hypertables")),
    el("div", { class: "heading" }, el("h1", {}, name), el("div", { class: "row" },
      el("a", { class: "button", href: address("jobs", { hypertable: name }) }, "Jobs"),
      el("a", { class: "button", href: address("query", { sql: `SELECT count(*)\nFROM ${name}` }) }, "Query"),
      act("Archive …", () => archive(name)),
      act("Restore …", () => restore(name)),
      act("Verify", () => verify(name)))),
    parts.facts,
    el("section", { "aria-labelledby": "map-title" }, el("div", { class: "heading" }, el("h2", { id: "map-title" }, "Chunks"), findChunk(name)), legend(), map.root),
    el("section", { "aria-labelledby": "why-title" }, el("h2", { id: "why-title" }, "What happens next"), parts.whyProblem, reasons.root),
    el("div", { class: "halves" },
      el("section", { "aria-labelledby": "policy-title" }, el("h2", { id: "policy-title" }, "Policy"), parts.policy),
      el("section", { "aria-labelledby": "lake-title" }, el("h2", { id: "lake-title" }, "In the lake"), parts.lake)),
  );
}

function day(id, label, placeholder = "2026-01-06") {
  return el("label", { class: "field" }, label, el("input", { type: "text", id, placeholder, autocomplete: "off", spellcheck: "false" }));
}

// A date, a time, or the digits of integer time.
function bound(id) {
  const text = document.getElementById(id).value.trim();
  if (text === "") return undefined;
  if (/^-?\d+$/.test(text)) return Number(text);
  return /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text;
}

function archive(name) {
  const until = el("div", {}, day("until", "Every chunk that ends by (UTC)"));
  const body = () => ({ hypertable: name, older_than: bound("until") });
  ask({
    title: `Archive chunks of ${name}`,
    fields: [until],
    preview: async () => {
      if (bound("until") === undefined) throw new Wanted("Until when?");
      const found = await post("archives", { ...body(), dry_run: true });
      return `${show.plural(found.chunks.length, "chunk")}, about ${show.plural(found.rows_estimated, "row")}, ${show.bytes(found.bytes)} in the database. What is archived already is skipped.`;
    },
    label: "Archive",
    run: async () => show.plural((await post("archives", body())).jobs.length, "job") + " asked for.",
  });
}

function restore(name) {
  const fields = [el("div", { class: "pair" }, day("since", "From (UTC)"), day("until", "To, excluded (UTC)", "2026-01-07"))];
  const body = () => ({ hypertable: name, from: bound("since"), to: bound("until") });
  ask({
    title: `Restore into ${name}`,
    text: "Archives whose range overlaps the two bounds come back into the database.",
    fields,
    preview: async () => {
      if (bound("since") === undefined || bound("until") === undefined) throw new Wanted("From when to when?");
      return show.restoring(await post("restores", { ...body(), dry_run: true }));
    },
    word: name,
    label: "Restore",
    run: async () => show.plural((await post("restores", body())).jobs.length, "restore") + " asked for.",
  });
}

function verify(name) {
  ask({
    title: `Verify the archives of ${name}`,
    text: "Every archive is read again and compared with its manifest, before its turn. Reading costs what the lake takes for it.",
    label: "Verify",
    run: async () => `${show.plural((await post("verifications", { hypertable: name })).archives, "archive")} will be read again.`,
  });
}

function facts(summary, currency, lateness) {
  put(parts.facts, [summary, currency, lateness], () => {
    if (!summary) return [];
    const { states, hypertable } = summary;
    const chunks = (number, filter) => counted(number, show.plural(number, "chunk"), "chunks", { hypertable, ...filter });
    const there = chunks(summary.in_database, { in_database: "true" });
    const pairs = [
      ["In the database", summary.problem ? `unknown: ${summary.problem}` : summary.database_bytes === null ? [there, ", sizes not known yet"] : [`${show.bytes(summary.database_bytes)} in `, there]],
      ["In both", [chunks(states.archived ?? 0, { in_database: "true", state: "archived" }), summary.both_bytes ? `, ${show.bytes(summary.both_bytes)}` : ""]],
      ["In the lake alone", [chunks(states.removed ?? 0, { in_database: "false" }), `, ${show.bytes(summary.freed_bytes)} freed`]],
      ["Parquet", show.bytes(summary.parquet_bytes)],
      [el("span", { title: FREED_THIS_MONTH }, "Freed this month"), summary.freed_this_month === null ? "unknown" : `${show.bytes(summary.freed_this_month)}, which would cost ${show.money(summary.saved_this_month, currency)} a month`],
      ["Saved", `${show.money(summary.saved_month, currency)} a month`],
      ["Behind its policy", summary.archive_after_seconds === null ? "it has none" : summary.behind_days !== null ? show.duration(summary.behind_days * 86400) : lateness ? "no" : "unknown"],
    ];
    return pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, ...[value].flat())));
  });
}

export function update(root, { map, why, summary, lake, full }, { name }, state) {
  parts.map.update(map);
  facts(summary, state.money?.currency ?? "", state.behind !== null);
  if (!full) return;
  parts.whyProblem.hidden = !why.problem;
  say(parts.whyProblem, why.problem ? `Unknown: ${why.problem}` : "");
  parts.reasons.rows((why.reasons ?? []).map((reason) => ({ ...reason, filter: meantBy(reason, why.reasons) })), ({ because, step, example }) => `${because}/${step}/${example.next_step.code}`);
  if (!why.problem) policy.update(parts.policy, why.policy);
  inLake(parts.lake, name, lake, state.lake_url);
}
