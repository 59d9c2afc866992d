// What is at work, what failed, what is dead, and who answers.

import { retry } from "./api.js";
import { byId, el, say, sync } from "./dom.js";
import * as show from "./format.js";

function part(item, name) {
  return item.querySelector(`.${name}`);
}

function empty(id, isEmpty, text) {
  const note = byId(id);
  note.hidden = !isEmpty;
  if (isEmpty) say(note, text);
}

function badge(id, number) {
  byId(id).hidden = !number;
  say(id, number ? String(number) : "");
}

export function running(jobs) {
  sync(byId("running"), jobs ?? [], (job) => job.job_id, makeRunning, updateRunning);
  empty("running-empty", !jobs?.length, jobs ? "No job is at work." : "The ledger does not tell.");
}

function makeRunning() {
  return el(
    "li",
    { class: "job" },
    el("p", { class: "name" }, el("strong", { class: "table" }), " ", el("span", { class: "range" })),
    el("p", { class: "state" }),
    el("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, el("i", {})),
  );
}

function updateRunning(item, job) {
  const planned = job.parts !== null && job.parts > 0;
  const share = planned ? Math.round((100 * job.parts_done) / job.parts) : null;
  say(part(item, "table"), job.hypertable);
  say(part(item, "range"), show.range(job.range) === "all of time" ? show.chunk(job.chunk) : show.range(job.range));
  const progress = planned ? `part ${Math.min(job.parts_done + 1, job.parts)} of ${job.parts}` : "reading";
  const rows = job.rows_done ? `, ${show.plural(job.rows_done, "row")} safe` : "";
  const again = job.attempt > 1 ? `, attempt ${job.attempt}` : "";
  const what = job.kind === "restore" ? "restoring" : progress;
  say(part(item, "state"), `${what}${rows}${again}, for ${show.since(job.started_at)}`);
  const bar = part(item, "bar");
  bar.setAttribute("aria-label", `${job.hypertable} ${show.chunk(job.chunk)}`);
  bar.classList.toggle("unknown", share === null);
  if (share === null) bar.removeAttribute("aria-valuenow");
  else bar.setAttribute("aria-valuenow", share);
  bar.firstChild.style.width = share === null ? "" : `${Math.max(share, 2)}%`;
}

export function failed(jobs, again) {
  sync(byId("failed"), jobs ?? [], (job) => job.job_id, (job) => makeFailed(job, again), updateFailed);
  empty("failed-empty", !jobs?.length, jobs ? "Nothing has failed." : "The ledger does not tell.");
  badge("failed-count", jobs?.length);
}

function makeFailed(job, again) {
  const button = el("button", { type: "button", class: "retry" }, "Retry");
  const outcome = el("p", { class: "outcome", role: "status" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    say(button, "Retrying");
    try {
      await retry(job.job_id);
      say(outcome, "Queued again.");
      again();
    } catch (error) {
      say(outcome, `Not retried: ${error.message}`);
      button.disabled = false;
    }
    say(button, "Retry");
  });
  return el(
    "li",
    { class: "job" },
    el("p", { class: "name" }, el("strong", { class: "table" }), " ", el("span", { class: "range" })),
    el("p", { class: "reason" }),
    el("div", { class: "row" }, el("p", { class: "state" }), button),
    outcome,
  );
}

function updateFailed(item, job) {
  say(part(item, "table"), job.hypertable);
  say(part(item, "range"), show.chunk(job.chunk));
  say(part(item, "reason"), job.message || job.code);
  say(part(item, "state"), `${job.kind}, ${show.since(job.finished_at)} ago, ${show.plural(job.attempt, "attempt")}`);
  part(item, "retry").setAttribute("aria-label", `Retry ${job.kind} of ${show.chunk(job.chunk)}`);
}

export function dead(letters, total) {
  const make = () => el("li", { class: "job" }, el("p", { class: "reason" }), el("p", { class: "state" }));
  sync(byId("dead"), (letters ?? []).slice(0, 10), (letter) => letter.entry_id, make, (item, letter) => {
    say(part(item, "reason"), letter.reason || "no reason is noted");
    const milliseconds = Number(letter.entry_id.split("-")[0]);
    say(part(item, "state"), `${letter.is_event ? "event" : "message"} ${letter.entry_id}, ${show.since(milliseconds)} ago`);
  });
  empty("dead-empty", !letters?.length, letters ? "Every event could be used." : "Redis does not tell.");
  badge("dead-count", total ?? letters?.length);
}

const NAMES = { source: "Source database", ledger: "Ledger", redis: "Redis", queue: "Storage queue", lake: "Data lake" };

export function health(dependencies) {
  const make = () => el("li", {}, el("span", { class: "mark", "aria-hidden": "true" }), el("span", { class: "who" }), el("span", { class: "how" }));
  sync(byId("health"), Object.entries(dependencies ?? {}), ([name]) => name, make, (item, [name, state]) => {
    item.dataset.state = state;
    say(part(item, "mark"), state === "ok" ? "●" : "▲");
    say(part(item, "who"), NAMES[name] ?? name);
    say(part(item, "how"), state === "ok" ? "answers" : "does not answer");
  });
  empty("health-empty", !dependencies, "Nothing is known.");
}

export function intake({ queues, stream }) {
  const pairs = [];
  for (const [kind, queue] of Object.entries(queues ?? {})) {
    const oldest = queue.oldest ? `, oldest ${show.since(queue.oldest)}` : "";
    pairs.push([kind === "archive" ? "Archive queue" : "Restore queue", `${show.plural(queue.messages, "message")}${oldest}`]);
    if (queue.poisoned) pairs.push([`Given up (${kind})`, show.plural(queue.poisoned, "message")]);
  }
  if (stream) {
    pairs.push(["Events not read", stream.lag === null ? "not told" : show.count(stream.lag)]);
    pairs.push(["Events in hand", show.count(stream.pending)]);
  }
  const make = () => el("div", {}, el("dt", {}), el("dd", {}));
  sync(byId("intake"), pairs, ([name]) => name, make, (item, [name, value]) => {
    say(item.firstChild, name);
    say(item.lastChild, value);
  });
}
