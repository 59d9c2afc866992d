// Questions in SQL over whole tables, archived and live rows as one: asked when somebody says so, never by an address alone.

import { act } from "../core/act.js";
import { question, read } from "../core/api.js";
import { el, say } from "../core/dom.js";
import * as show from "../core/format.js";
import { set } from "../core/route.js";
import { made, noted, ofBefore } from "../parts/answer.js";
import { busy } from "../parts/asking.js";
import { plot } from "../parts/plot.js";
import { reading } from "../parts/reading.js";
import { resultTable } from "../parts/result.js";
import { columnsOf, quoted } from "../parts/schema.js";

export const title = () => "Query";
const LIMITS = ["100", "1000", "10000"];
// An address that is longer is cut off on its way to a colleague.
const LONGEST_ADDRESS = 6000;
// Kept in this tab's memory while other views are looked at: what is written, which question was asked last, and the last answer. Where the
// last question had no answer, `missed` is that question and when it was asked.
let kept = { sql: null, asked: null, answer: null, missed: null };
let parts;

export const load = async () => ({ tables: (await read("dashboard/hypertables").catch(() => ({ hypertables: [] }))).hypertables });

export function make(params) {
  const editor = el("textarea", { id: "query-sql", rows: 7, spellcheck: "false", autocomplete: "off", autocapitalize: "off", placeholder: "SELECT time::date AS day, avg(value) AS mean\nFROM public.readings\nWHERE time >= '2026-01-01' GROUP BY ALL ORDER BY ALL" });
  editor.value = params.sql ?? kept.sql ?? "";
  editor.addEventListener("input", () => { kept.sql = editor.value; });
  editor.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    run();
  });
  const limit = el("select", { id: "query-limit", onchange: () => set({ max: limit.value }) }, ...LIMITS.map((number) => el("option", { value: number }, show.count(Number(number)))));
  limit.value = LIMITS.includes(params.max) ? params.max : "1000";
  const tables = el("select", { id: "query-table", onchange: () => offer(tables) }, el("option", { value: "" }, "choose one"));
  const go = act("Run", run, { class: "strong", id: "query-run" });
  const stop = el("button", { type: "button", hidden: true, onclick: () => parts.asking?.abort() }, "Stop waiting");
  const explaining = act("What was read", explain, { hidden: true });
  parts = {
    explaining,
    editor, limit, tables, go, stop, asking: null,
    known: null,
    columns: act("Its columns", () => describe(tables.value), { disabled: true }),
    schema: el("ul", { class: "schema", "aria-label": "Columns", hidden: true }),
    looks: el("p", { class: "muted", hidden: true }, "A viewer's key may not ask: questions read rows, and need an operator's key."),
    problem: el("div", { role: "alert" }),
    told: el("p", { class: "muted", role: "status" }),
    read: el("div", {}),
    exports: el("div", { class: "row" }, explaining, act("Save as CSV", () => save("text/csv", "csv")), act("Save as Parquet", () => save("application/vnd.apache.parquet", "parquet"))),
    older: el("p", { class: "banner", hidden: true }),
    made: el("p", { class: "muted" }),
    notes: el("div", { class: "notes" }),
    table: resultTable(),
    plot: plot(set),
  };
  parts.result = el("section", { "aria-labelledby": "rows-title", hidden: true }, el("div", { class: "heading" }, el("h2", { id: "rows-title" }, "Rows"), parts.exports), parts.older, parts.made, parts.notes, parts.read, parts.plot.root, parts.table.root);
  const root = el(
    "div",
    {},
    el("h1", {}, "Query"),
    el("p", { class: "muted" }, "One SELECT of DuckDB over whole tables: rows in the database and rows in the lake, each once, from one moment. Nothing is changed by it."),
    parts.looks,
    el("section", { class: "editor" },
      el("label", { class: "field", for: "query-sql" }, "SQL"), editor,
      el("div", { class: "row tools" },
        el("div", { class: "filters" }, el("label", { class: "field" }, "Table", tables), parts.columns, el("label", { class: "field" }, "Rows at most", limit)),
        el("div", { class: "row" }, el("span", { class: "muted" }, "Ctrl + Enter"), stop, go)),
      parts.schema),
    parts.problem,
    parts.told,
    parts.result,
  );
  if (kept.answer && kept.answer.sql === editor.value.trim()) present(kept.answer, params);
  return root;
}

// A table's newest rows to begin with; where something is written already, its name alone goes in where the caret is.
function offer({ value }) {
  parts.columns.disabled = !value;
  parts.schema.hidden = true;
  if (!value) return;
  const { editor } = parts;
  if (editor.value.trim() === "" || editor.value === parts.offered) {
    const time = parts.known.find(({ hypertable }) => hypertable === value)?.time_column;
    parts.offered = `SELECT *\nFROM ${value}${time ? `\nORDER BY ${quoted(time)} DESC` : ""}\nLIMIT 100`;
    editor.value = parts.offered;
  } else editor.setRangeText(value, editor.selectionStart, editor.selectionEnd, "end");
  kept.sql = editor.value;
}

// What a table has, each as a button that puts it where the caret is.
async function describe(table) {
  const mine = parts;
  if (mine.asking) return;
  await busy(mine, `Looking at ${table} …`, async (signal) => {
    const { rows } = await (await question({ sql: `DESCRIBE ${table}` }, { signal })).json();
    mine.schema.hidden = false;
    mine.schema.replaceChildren(...columnsOf(rows, mine.editor));
  });
}

function run() {
  const sql = written(parts.editor);
  if (!sql) return parts.editor.focus();
  // the address is noted at once: its update waits for the tables, and somebody may have gone back by then
  [kept.sql, parts.address] = [parts.editor.value, sql.length <= LONGEST_ADDRESS ? sql : undefined];
  set({ sql: parts.address ?? "", x: "", y: "" });
  return ask(sql);
}

async function ask(sql) {
  if (parts.asking || document.documentElement.dataset.may === "look") return;
  const mine = parts;
  const began = Date.now();
  kept.asked = sql;
  // neither its waiting nor its error stands beside the rows of another question
  mine.result.hidden = kept.answer?.sql !== sql;
  await busy(mine, "Asking …", async (signal) => {
    try {
      const answer = await question({ sql, max_rows: Number(mine.limit.value) }, { signal });
      Object.assign(kept, { answer: { sql, at: Date.now(), ...(await answer.json()) }, missed: null });
    } catch (error) {
      kept.missed = { sql, at: began };
      if (mine === parts) older();
      throw error;
    }
    if (mine === parts) present(kept.answer, {});
  });
}

// Rows of an earlier time, where the same question was asked again and had no answer.
function older() {
  const missed = kept.answer && kept.missed?.sql === kept.answer.sql;
  parts.older.hidden = !missed;
  say(parts.older, missed ? ofBefore(kept.answer.at, kept.missed.at) : "");
}

// The same question again, which tells what it reads in the place of rows.
async function explain() {
  const mine = parts;
  if (mine.asking) return;
  await busy(mine, "Asking what is read …", async (signal) => {
    const { tables } = await (await question({ sql: kept.answer.sql, explain: true }, { signal })).json();
    mine.read.replaceChildren(...reading(tables));
    mine.read.querySelector("details")?.setAttribute("open", "");
  });
}

// The whole answer, as far as the service's own limits go, in the form in which the service writes it.
async function save(accept, ending) {
  const mine = parts;
  if (mine.asking) return;
  await busy(mine, "Asking for the file …", async (signal) => {
    const answer = await question({ sql: kept.answer.sql }, { accept, signal });
    const link = el("a", { href: URL.createObjectURL(await answer.blob()), download: `rows-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.${ending}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    const cut = answer.headers.get("archival-query-cut");
    const said = cut ? `The file is cut off by the service's limit of ${cut}: archival export --direct has no such limit.` : "The file has every row.";
    return [said, ...noted(JSON.parse(answer.headers.get("archival-query-notes") ?? "[]"))].join(" ");
  });
}

function present(answer, params) {
  parts.result.hidden = false;
  older();
  parts.read.replaceChildren();
  // a service that can tell says so with every answer
  parts.explaining.hidden = !("tables" in answer);
  say(parts.made, made(answer));
  parts.made.classList.toggle("bad", Boolean(answer.cut));
  parts.notes.replaceChildren(...noted(answer.notes ?? []).map((text) => el("p", {}, text)));
  parts.table.update(answer.columns, answer.rows);
  parts.plot.update(answer.columns, answer.rows, params);
}

const written = (editor) => editor.value.trim().replace(/;\s*$/, "");
// What was asked is in the browser's history; anything else that stands in the editor is somebody's, who is at it.
const typing = () => document.activeElement === parts.editor && written(parts.editor) !== kept.asked;

export function update(root, { tables }, params) {
  parts.looks.hidden = document.documentElement.dataset.may !== "look";
  const names = tables.map(({ hypertable }) => hypertable);
  if (JSON.stringify(names) !== JSON.stringify(parts.known?.map(({ hypertable }) => hypertable))) {
    parts.tables.replaceChildren(el("option", { value: "" }, "choose one"), ...names.map((name) => el("option", { value: name }, name)));
  }
  parts.known = tables;
  // the address is followed where somebody goes back to an earlier one, and leaves alone what is being typed
  if (params.sql !== parts.address && params.sql !== undefined && !typing()) parts.editor.value = params.sql;
  // what was wrong with one question says nothing of another, to which somebody has gone back
  if (params.sql !== parts.address && params.sql !== kept.asked) parts.problem.replaceChildren();
  parts.address = params.sql;
  // rows of another question than the one that the address has are not shown
  const meant = params.sql ?? kept.asked;
  parts.result.hidden = !kept.answer || (meant !== null && meant !== kept.answer.sql);
  if (!parts.result.hidden) parts.plot.choose(params);
}
