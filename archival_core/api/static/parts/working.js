// Jobs that workers have in hand, and how far they are.

import { el, say, sync } from "../core/dom.js";
import * as show from "../core/format.js";
import { address } from "../core/route.js";
import { unknown } from "./state.js";

export function running(list, empty, jobs, number, away) {
  sync(list, jobs ?? [], (job) => job.job_id, makeRunning, updateRunning);
  empty.hidden = Boolean(jobs?.length);
  say(empty, jobs ? (number ? `${number} at work.` : "No job is at work.") : unknown(away, "lists"));
}

function makeRunning() {
  return el("li", { class: "job" }, el("p", { class: "name" }, el("a", { class: "table" }), " ", el("span", { class: "range" })), el("p", { class: "state" }), el("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, el("i", {})));
}

function updateRunning(item, job) {
  const part = (name) => item.querySelector(`.${name}`);
  const planned = job.parts !== null && job.parts > 0;
  const share = planned ? Math.round((100 * job.parts_done) / job.parts) : null;
  say(part("table"), job.hypertable);
  part("table").href = address("job", { id: job.job_id });
  say(part("range"), show.range(job.range) === "all of time" ? show.chunk(job.chunk) : show.range(job.range));
  const progress = planned ? `part ${Math.min(job.parts_done + 1, job.parts)} of ${job.parts}` : "reading";
  const rows = job.rows_done ? `, ${show.plural(job.rows_done, "row")} safe` : "";
  say(part("state"), `${job.kind === "restore" ? "restoring" : progress}${rows}${job.attempt > 1 ? `, attempt ${job.attempt}` : ""}, for ${show.since(job.started_at)}`);
  const bar = part("bar");
  bar.setAttribute("aria-label", `${job.hypertable} ${show.chunk(job.chunk)}`);
  bar.classList.toggle("unknown", share === null);
  if (share === null) bar.removeAttribute("aria-valuenow");
  else bar.setAttribute("aria-valuenow", share);
  bar.firstChild.style.width = share === null ? "" : `${Math.max(share, 2)}%`;
}
