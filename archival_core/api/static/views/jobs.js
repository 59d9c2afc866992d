// Jobs, newest first, by the filters in the address; many of them chosen and acted on.

import { act, ask, passed } from "../core/act.js";
import { post, postAll, read } from "../core/api.js";
import { el, say, show as put } from "../core/dom.js";
import * as show from "../core/format.js";
import { address, set } from "../core/route.js";
import { jobColumns } from "../parts/job_columns.js";
import { table } from "../parts/table.js";

export const title = () => "Jobs";
const STATUSES = ["queued", "running", "archived", "removed", "superseded", "restored", "failed", "cancelled", "skipped"];
let parts;
let chosen = new Set();

export const load = ({ hypertable, status, kind, error_code: code, removal_error_code: refusal, open, dismissed, audit, from, to, cursor }) =>
  read("jobs", { hypertable, status, kind, error_code: code, removal_error_code: refusal, open: open === "true" ? "true" : undefined, dismissed: dismissed === "true" ? "true" : undefined, audit, from, to, cursor, limit: 100 });

function select(name, label, values, params) {
  const found = el("select", { id: `filter-${name}`, onchange: () => set({ [name]: found.value.split(" "), cursor: "" }) }, el("option", { value: "" }, "any"), ...values.map((value) => el("option", { value }, value)));
  showChoice(found, params[name]);
  parts.inputs[name] = found;
  return el("label", { class: "field" }, label, found);
}

// A list of several, which an address may have, is a choice of its own.
function showChoice(field, value = "") {
  const wanted = [value].flat();
  const text = wanted.join(" ");
  if (![...field.options].some((option) => option.value === text)) field.append(el("option", { value: text }, wanted.join(" or ")));
  field.value = text;
}

function text(name, label, params, placeholder) {
  const found = el("input", { type: "text", id: `filter-${name}`, value: [params[name] ?? []].flat().join(" "), placeholder, autocomplete: "off", spellcheck: "false" });
  found.addEventListener("change", () => set({ [name]: name.endsWith("code") ? found.value.split(/[\s,]+/) : found.value.trim(), cursor: "" }));
  parts.inputs[name] = found;
  return el("label", { class: "field" }, label, found);
}

export function make(params) {
  chosen = new Set();
  parts = { inputs: {}, of: el("p", { class: "muted" }), total: el("p", { class: "muted", role: "status" }, "Loading"), empty: el("p", { class: "empty" }) };
  const choose = { head: "", kind: "acts", cell: (job) => el("input", { type: "checkbox", "aria-label": `Choose job ${show.shortId(job.job_id)}`, checked: chosen.has(job.job_id), onchange: (event) => pick(job.job_id, event.target.checked) }) };
  parts.table = table("Jobs", [choose, ...jobColumns()]);
  // of the failures: all of them, those that wait for somebody, or those that somebody dismissed
  const failures = el("select", { id: "filter-failures", onchange: () => set({ open: failures.value === "open" ? "true" : "", dismissed: failures.value === "dismissed" ? "true" : "", ...(failures.value ? { status: "failed" } : {}), cursor: "" }) }, el("option", { value: "" }, "any"), el("option", { value: "open" }, "open"), el("option", { value: "dismissed" }, "dismissed"));
  parts.inputs.failures = failures;
  parts.older = el("a", { class: "button" }, "Older");
  parts.first = el("a", { class: "button" }, "Newest");
  parts.many = el("div", { class: "row many" });
  return el(
    "div",
    {},
    el("div", { class: "heading" }, el("h1", {}, "Jobs"), parts.many),
    el("div", { class: "filters" }, select("status", "Status", STATUSES, params), select("kind", "Kind", ["archive", "restore"], params), text("hypertable", "Hypertable", params, "public.readings"), text("error_code", "Error code", params, "source-login"), text("removal_error_code", "Not removed for", params, "removal-blocked"), el("label", { class: "field" }, "Failures", failures)),
    parts.of,
    parts.total,
    el("section", {}, parts.table.root, parts.empty),
    el("nav", { class: "row end", "aria-label": "Pages" }, parts.first, parts.older),
  );
}

function pick(id, is) {
  if (is) chosen.add(id);
  else chosen.delete(id);
  many(parts.params);
}

// What the buttons mean: the jobs that are chosen, or else everything that the filter means.
function meant(params) {
  if (chosen.size) return { job_ids: [...chosen].slice(0, 500) };
  const body = {};
  if (params.hypertable) body.hypertable = params.hypertable;
  if (params.kind) body.kind = [params.kind].flat();
  if (params.error_code) body.error_code = [params.error_code].flat();
  if (params.from) body.from = params.from;
  if (params.to) body.to = params.to;
  if (params.open === "true") body.open = true;
  return Object.keys(body).length ? body : { all: true };
}

function many(params) {
  put(parts.many, [[...chosen], params], () => buttons(params));
}

function buttons(params) {
  const status = [params.status ?? []].flat();
  const which = chosen.size ? `${chosen.size} chosen` : "all of these";
  const found = [];
  // what the actions cannot be told by a filter is done to those alone that are chosen one by one
  if (!chosen.size && (params.audit || params.removal_error_code)) return found;
  if (params.dismissed === "true") {
    if (chosen.size) found.push(act(`Retry ${which}`, () => all("retry", "Retry", "queued again", params)));
    return [...found, act(`Undo the dismissal of ${which}`, () => all("undismiss", "Undo the dismissal", "back on the list of failures", params))];
  }
  if (chosen.size || status.includes("failed") || status.includes("cancelled")) found.push(act(`Retry ${which}`, () => all("retry", "Retry", "queued again", params)));
  if (chosen.size || status.includes("failed")) found.push(act(`Dismiss ${which}`, () => all("dismiss", "Dismiss", "dismissed", params)));
  if (chosen.size || status.includes("queued") || status.includes("running")) found.push(act(`Cancel ${which}`, () => all("cancel", "Cancel", "cancelled", params)));
  return found;
}

function all(action, label, what, params) {
  // what an action cannot be told by the filter is left out of it: undismissing means dismissed jobs alone
  const body = action === "undismiss" || action === "cancel" ? meant({ ...params, open: "" }) : meant(params);
  const status = [params.status ?? []].flat();
  if (!chosen.size && action === "retry" && status.includes("cancelled")) body.status = ["cancelled"];
  if (!chosen.size && action === "cancel" && status.length) body.status = status.filter((one) => ["queued", "running"].includes(one));
  const reason = action === "dismiss" ? { reason: "looked at" } : {};
  ask({
    title: action === "undismiss" ? "Undo dismissals" : `${label} jobs`,
    preview: async () => {
      const found = await post(`jobs/${action}`, { ...body, ...reason, dry_run: true });
      return [el("p", {}, `${show.plural(found.left, "job")} ${chosen.size ? "of those that are chosen" : "by this filter"}: `), el("ul", {}, ...Object.entries(found.left_by_code).map(([code, number]) => el("li", {}, `${show.count(number)} ${code || "without an error"}`)))];
    },
    reason: action === "dismiss" ? "required" : undefined,
    word: !chosen.size && !["dismiss", "undismiss"].includes(action) ? action : undefined,
    danger: action === "cancel",
    label,
    run: async ({ reason: why, told }) => {
      const done = await postAll(`jobs/${action}`, { ...body, ...(why ? { reason: why } : {}) }, (number) => told(`${number} ${what} …`));
      chosen.clear();
      return passed(done, what);
    },
  });
}

export function update(root, { jobs, next, total }, params) {
  parts.params = params;
  for (const [name, input] of Object.entries(parts.inputs)) {
    if (document.activeElement === input) continue;
    if (name === "failures") input.value = params.open === "true" ? "open" : params.dismissed === "true" ? "dismissed" : "";
    else if (input.matches("select")) showChoice(input, params[name]);
    else input.value = [params[name] ?? ""].flat().join(" ");
  }
  put(parts.of, params, () => (params.audit ? ["Those that one line of the audit made or changed, as they are now. ", el("a", { href: address("jobs", { ...params, audit: "", cursor: "" }) }, "Show all")] : ""));
  parts.table.rows(jobs, ({ job_id: id }) => id);
  say(parts.empty, jobs.length ? "" : "No job is like that.");
  const range = params.cursor ? "an older page" : next ? `the newest ${show.count(jobs.length)}` : `all ${show.count(jobs.length)}`;
  say(parts.total, total === null ? `Shown: ${range}${next ? ", and there are more" : ""}` : `${show.plural(total, "job")}; shown: ${range}`);
  parts.older.hidden = !next;
  parts.older.href = address("jobs", { ...params, cursor: next ?? "" });
  parts.first.hidden = !params.cursor;
  parts.first.href = address("jobs", { ...params, cursor: "" });
  many(params);
}
