// One job: its attempts, how far it has come, what went wrong, and its trace.

import { Wanted, act, ask } from "../core/act.js";
import { post, read } from "../core/api.js";
import { copy, el, show as put } from "../core/dom.js";
import * as show from "../core/format.js";
import { address } from "../core/route.js";
import { catalogueOrNone, explained, said } from "../parts/code.js";
import { badge, dismissed } from "../parts/job_columns.js";
import { table } from "../parts/table.js";

export const title = ({ id }) => `Job ${show.shortId(id)}`;
export const identity = ({ id }) => id;
let parts;

export async function load({ id }) {
  const [job, codes] = await Promise.all([read(`jobs/${encodeURIComponent(id)}`), catalogueOrNone()]);
  return { job, codes };
}

export function make({ id }) {
  const history = table("Attempts and changes", [
    { head: "At", cell: ({ at }) => show.second(at) },
    { head: "From", cell: ({ from_status: from }) => badge(from) },
    { head: "To", cell: ({ to_status: to }) => badge(to) },
    { head: "Attempt", numeric: true, cell: ({ attempt }) => show.count(attempt) },
    { head: "Took", numeric: true, cell: ({ began_at: began, at }) => (began ? show.duration((new Date(at) - new Date(began)) / 1000) : "–") },
    { head: "Why", wide: true, cell: ({ error }) => (error ? said(error) : "–") },
    { head: "By", cell: ({ written_by: by }) => by },
  ]);
  parts = { history, head: el("div", { class: "heading" }), error: el("div", {}), facts: el("dl", { class: "facts" }), progress: el("div", {}), none: el("p", { class: "empty" }, "No attempt has ended yet.") };
  return el("div", {}, el("p", { class: "crumbs" }, el("a", { href: address("jobs") }, "Jobs")), parts.head, parts.error, parts.progress, parts.facts, el("section", { "aria-labelledby": "history-title" }, el("h2", { id: "history-title" }, "What happened"), history.root, parts.none));
}

function head(job) {
  const isUndecided = job.removal_error?.code === "archive-undecided";
  put(parts.head, [job.status, job.job_id, job.dismissed, isUndecided], () => {
    const buttons = [];
    if (isUndecided) buttons.push(act("Settle …", () => settle(job), { class: "strong" }));
    if (["failed", "cancelled"].includes(job.status)) buttons.push(act("Retry", () => request(job, "retry", "Retry", "It is queued again."), { class: "strong" }));
    if (job.status === "failed") buttons.push(job.dismissed ? act("Undo the dismissal", () => undismiss(job)) : act("Dismiss …", () => dismiss(job)));
    if (["queued", "running"].includes(job.status)) buttons.push(act("Cancel …", () => request(job, "cancel", "Cancel", "It is cancelled.")));
    return [el("h1", {}, `${job.kind === "restore" ? "Restore" : "Archive"} `, el("span", { class: "mono" }, show.shortId(job.job_id)), " ", badge(job.status)), el("div", { class: "row" }, ...buttons)];
  });
}

function request(job, action, label, done) {
  ask({
    title: `${label} job ${show.shortId(job.job_id)}`,
    text: action === "cancel" ? "A worker that has it stops within a third of its lease." : "It is queued again, and fails again unless the cause is mended or has passed.",
    label,
    run: async () => {
      await post(`jobs/${job.job_id}/${action}`);
      return done;
    },
  });
}

function dismiss(job) {
  ask({
    title: `Dismiss the failure of ${show.shortId(job.job_id)}`,
    text: "It no longer counts as waiting for somebody. It can still be retried.",
    reason: "required",
    label: "Dismiss",
    run: async ({ reason }) => {
      await post("jobs/dismiss", { job_ids: [job.job_id], reason });
      return "The failure is dismissed.";
    },
  });
}

function undismiss(job) {
  ask({
    title: `Undo the dismissal of ${show.shortId(job.job_id)}`,
    text: "The failure waits for somebody again, unless a later job has made up for it.",
    label: "Undo the dismissal",
    run: async () => {
      await post("jobs/undismiss", { job_ids: [job.job_id] });
      return "The failure waits for somebody again.";
    },
  });
}

function settle(job) {
  const rows = el("select", { id: "settle-rows" }, el("option", { value: "" }, "choose"), el("option", { value: "moved" }, "moved: other tables have them"), el("option", { value: "dropped" }, "dropped: the lake alone has them"));
  const said = (reason, others) => post(`jobs/${job.job_id}/settle`, { rows: rows.value, reason, ...others });
  ask({
    title: `Settle the archive ${show.shortId(job.job_id)}`,
    text: `The table of ${job.chunk} is gone, and nobody else can tell what became of its rows.`,
    fields: [el("label", { for: "settle-rows" }, "Its rows were"), rows],
    preview: async () => {
      if (!rows.value) throw new Wanted("Say what became of them.");
      const { rows_there: there, later_archive: later, untold } = await said("looked at", { dry_run: true });
      const becomes = rows.value === "moved" ? "The archive leaves its table, and can be restored." : "The archive stands for the rows.";
      if (there === null) return `How many of its rows are in ${job.hypertable}, nobody can tell: ${untold}. ${becomes}`;
      const also = later === null ? `, and nobody can tell whether a later archive has some of them: ${untold}` : later ? ", and a later archive may have some of them" : "";
      return `Now ${there} of its rows are in ${job.hypertable}${also}. ${becomes}`;
    },
    reason: "required",
    label: "Settle",
    run: async ({ reason }) => `The archive is ${(await said(reason)).job.status}.`,
  });
}

function facts(job, trace) {
  put(parts.facts, [job, trace], () => {
    const pairs = [
      ["Hypertable", el("a", { href: address("hypertable", { name: job.hypertable }) }, job.hypertable)],
      ["Chunk", el("a", { href: address("chunk", { hypertable: job.hypertable, chunk: job.chunk }) }, job.chunk)],
      ["Range", show.range({ start: job.range_start, end: job.range_end })],
      ["Requested", `${show.second(job.requested_at)} by ${job.requested_by}`],
      ["Began, ended", `${show.second(job.started_at)}, ${show.second(job.finished_at)}`],
      ["Attempts", show.count(job.attempt)],
      ["Afterwards", job.kind === "restore" ? "–" : job.remove === null ? "as the policy says" : job.remove ? "removed from the database" : "kept in the database"],
      ["Rows", job.rows === null ? "–" : show.count(job.rows)],
      ["In the database, as Parquet", job.parquet_bytes === null ? "–" : `${show.bytes(job.source_bytes)}, ${show.bytes(job.parquet_bytes)}`],
      ["In the lake", job.lake_path ? [el("code", {}, job.lake_path), " ", copy(job.lake_path)] : "–"],
      ["Removed, restored, verified", [job.removed_at, job.restored_at, job.verified_at].map(show.time).join(", ")],
      ["Id", [el("code", {}, job.job_id), " ", copy(job.job_id)]],
      ["Trace", job.trace_id ? [trace ? el("a", { href: trace.replace("{trace_id}", encodeURIComponent(job.trace_id)), rel: "noreferrer", target: "_blank" }, job.trace_id) : el("code", {}, job.trace_id), " ", copy(job.trace_id)] : "–"],
    ];
    return pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, ...[value].flat())));
  });
}

function progress(job) {
  put(parts.progress, [job.status, job.parts, job.parts_done, job.rows_done], () => {
    if (job.status !== "running") return [];
    const share = job.parts ? Math.round((100 * job.parts_done) / job.parts) : null;
    const bar = el("div", { class: share === null ? "bar unknown" : "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": share }, el("i", {}));
    if (share !== null) bar.firstChild.style.width = `${Math.max(share, 2)}%`;
    return [el("p", { class: "muted" }, job.parts ? `${job.parts_done} of ${job.parts} parts, ${show.plural(job.rows_done, "row")} safe` : "reading"), bar];
  });
}

export function update(root, { job, codes }, params, { trace_url: trace }) {
  head(job);
  put(parts.error, [job.status, job.dismissed, job.error, job.removal_error, codes.length], () =>
    [["", job.error], ["Not removed: ", job.removal_error]].filter(([, error]) => error).map(([what, error]) => explained(codes, error, what, job.status === "failed" && !what && error.transient, dismissed(job))));
  progress(job);
  facts(job, trace);
  parts.none.hidden = job.history.length > 0;
  parts.history.rows(job.history, ({ at, attempt, to_status: to }) => `${at}${attempt}${to}`);
}
