// What a table says of a job.

import { breakable, el } from "../core/dom.js";
import * as show from "../core/format.js";
import { address } from "../core/route.js";
import { said } from "./code.js";

export function badge(status) {
  return el("span", { class: "status", "data-status": status }, status);
}

// Who has taken a failure off the list of those that wait for somebody, and why.
export function dismissed({ dismissed: found }) {
  return found ? [el("p", { class: "muted" }, `Dismissed ${show.time(found.at)} by ${found.by}: ${found.reason}`)] : [];
}

export function jobColumns({ chunk = true } = {}) {
  return [
    { head: "Job", cell: (job) => el("a", { href: address("job", { id: job.job_id }), class: "mono" }, show.shortId(job.job_id)) },
    { head: "Status", cell: (job) => badge(job.status) },
    { head: "Kind", cell: (job) => job.kind },
    ...(chunk
      ? [
          { head: "Hypertable", cell: (job) => el("a", { href: address("hypertable", { name: job.hypertable }), class: "name" }, ...breakable(job.hypertable)) },
          { head: "Range", cell: (job) => el("a", { href: address("chunk", { hypertable: job.hypertable, chunk: job.chunk }), title: job.chunk, class: job.range_start === null && job.range_end === null ? "name" : "nowrap" }, job.range_start === null && job.range_end === null ? show.chunk(job.chunk) : show.range({ start: job.range_start, end: job.range_end })) },
        ]
      : []),
    { head: "Requested", cell: (job) => [el("span", { class: "nowrap" }, show.time(job.requested_at)), " ", el("span", { class: "muted nowrap", title: job.requested_by }, `by ${show.short(job.requested_by)}`)] },
    { head: "Rows", numeric: true, cell: (job) => (job.rows === null ? "–" : show.count(job.rows)) },
    { head: "What became of it", wide: true, cell: (job) => (job.error ? [...said(job.error), ...dismissed(job)] : job.removal_error ? ["not removed: ", ...said(job.removal_error)] : job.finished_at ? `after ${show.duration((new Date(job.finished_at) - new Date(job.started_at ?? job.requested_at)) / 1000)}${job.attempt > 1 ? `, ${job.attempt} attempts` : ""}` : job.parts ? `part ${Math.min(job.parts_done + 1, job.parts)} of ${job.parts}` : "–") },
  ];
}
