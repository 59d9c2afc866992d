// The first thing to read: is all well, what is not and what to do about it, and what the archives save.

import { read } from "../core/api.js";
import { byId, el, say, show as put } from "../core/dom.js";
import * as show from "../core/format.js";
import { address, route, set } from "../core/route.js";
import { failures, refusals } from "../parts/attention.js";
import { chart, timeline } from "../parts/chart.js";
import { passes } from "../parts/code.js";
import { counted } from "../parts/counted.js";
import { FREED, FREED_THIS_MONTH, SAVED } from "../parts/meanings.js";
import { dependencies, lateOf, pauseButton, unknown } from "../parts/state.js";
import { running } from "../parts/working.js";

export const title = () => "Overview";
export const every = 3;
let parts;

export async function load(params, full) {
  return { days: full ? (await read("dashboard/timeline", { days: params.days ?? 30 })).days : null };
}

function figure(name, id, meaning) {
  return el("div", { title: meaning }, el("dt", {}, name), el("dd", { id }, "…"), el("dd", { class: "note", id: `${id}-note` }));
}

function section(id, name, ...children) {
  return el("section", { id, tabindex: -1, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, name), ...children);
}

export function make() {
  const spans = el("fieldset", { class: "choice", id: "span" }, el("legend", { class: "unseen" }, "Time span"));
  for (const days of ["14", "30", "90"]) {
    const input = el("input", { type: "radio", name: "span", value: days, checked: (route().params.days ?? "30") === days, onchange: () => set({ days }) });
    spans.append(el("label", {}, input, el("span", {}, `${days} days`)));
  }
  parts = {
    pause: pauseButton(),
    verdict: el("h1", { id: "verdict" }, "Loading"),
    reasons: el("ul", { class: "plain", id: "reasons" }),
    failures: el("ul", { class: "plain", id: "failures" }),
    failuresEmpty: el("p", { class: "empty" }, "Loading"),
    refusals: el("ul", { class: "plain", id: "refusals" }),
    refusalsEmpty: el("p", { class: "empty" }, "Loading"),
    running: el("ul", { class: "plain", id: "running" }),
    runningEmpty: el("p", { class: "empty", id: "running-empty" }, "Loading"),
    health: el("ul", { class: "plain health", id: "health" }),
    intake: el("div", { id: "intake" }),
    money: el("dl", { class: "pairs", id: "money" }),
  };
  return el(
    "div",
    {},
    el("div", { class: "lead" }, el("div", { class: "heading" }, parts.verdict, parts.pause.root), parts.reasons),
    el("dl", { class: "figures", id: "figures" }, figure("Freed from the database", "freed", FREED), figure("Kept in the lake", "kept"), figure("Saved", "saved", SAVED), figure("To do", "waiting")),
    el(
      "div",
      { class: "columns" },
      el(
        "div",
        { class: "wide" },
        section("failed", "Failed", parts.failures, parts.failuresEmpty, el("p", { class: "ways" }, el("a", { href: address("jobs", { status: "failed", dismissed: "true" }) }, "Dismissed failures"))),
        section("refused", "Not removed", parts.refusals, parts.refusalsEmpty),
        section("now", "At work now", parts.running, parts.runningEmpty),
        el("section", { "aria-labelledby": "time-title" }, el("div", { class: "heading" }, el("h2", { id: "time-title" }, "Archived and removed"), spans), ...chart()),
      ),
      el("div", { class: "side" }, section("health-section", "Dependencies", parts.health), section("intake-section", "Intake", parts.intake), section("money-section", "Money", parts.money)),
    ),
  );
}

const total = (groups, what) => (groups ? groups.reduce((sum, group) => sum + group[what], 0) : null);

// The most frequent reasons with their numbers, each with its list.
function reasons(groups, what, section, filter) {
  const named = groups.slice(0, 3).map(({ code, [what]: number }) => [`${show.count(number)} ${code}`, address("jobs", filter(code))]);
  return groups.length > 3 ? [...named, [show.plural(groups.length - 3, "more reason"), section]] : named;
}

// Everything that wants somebody, each with the list that has it, and for what reasons.
function concerns({ numbers, failures, refusals, stream, dependencies: known, behind, away, intake }) {
  const found = [];
  const down = Object.entries(known ?? {}).filter(([, { state }]) => state !== "ok").map(([name]) => name);
  if (down.length) found.push([`${down.join(", ")} ${down.length === 1 ? "does" : "do"} not answer`, "health-section"]);
  if (intake?.paused) found.push([`paused${intake.reason ? `: ${intake.reason}` : ""}`, "intake-section"]);
  const failed = total(failures, "jobs");
  if (failed) found.push([show.plural(failed, "failed job"), address("jobs", { status: "failed", open: "true" }), reasons(failures, "jobs", "failed", (code) => ({ status: "failed", open: "true", error_code: code }))]);
  // what nobody has to do anything about is tried again, and passes
  const refused = refusals?.filter(({ remedy, meaning }) => !meaning || (remedy && !passes(remedy))) ?? [];
  if (refused.length) found.push([show.plural(total(refused, "chunks"), "removal refused", "removals refused"), address("jobs", { removal_error_code: refused.map(({ code }) => code) }), reasons(refused, "chunks", "refused", (code) => ({ removal_error_code: code }))]);
  if (numbers?.findings) found.push([`${show.plural(numbers.findings, "file")} in the lake not as written`, address("verification")]);
  if (stream?.dead) found.push([show.plural(stream.dead, "dead letter"), address("dead-letters")]);
  const late = lateOf(behind);
  if (late.length) found.push([`${show.plural(late.length, "hypertable")} behind ${late.length === 1 ? "its policy" : "their policies"}`, address("hypertables", { late: "true", sort: "behind", dir: "down" })]);
  // what takes longer than a look is not away: its figures come with one of the next looks
  const silent = away.filter(({ name, cause }) => name !== "dependencies" && !cause?.startsWith("no answer within"));
  if (silent.length && !down.length) found.push([`no figures from: ${silent.map(({ name }) => name.replace("_", " ")).join(", ")}`, null]);
  return found;
}

function lead(data) {
  const found = concerns(data);
  const running = data.numbers?.jobs.running ?? 0;
  const unsure = data.away.some(({ as_of: asOf }) => asOf === null) && !found.length;
  const well = running ? `Working on ${show.plural(running, "chunk")}` : data.numbers?.jobs.queued ? `${show.plural(data.numbers.jobs.queued, "chunk")} waiting` : "All is well";
  say(parts.verdict, found.length ? (found.length === 1 ? "One thing needs attention" : `${found.length} things need attention`) : unsure ? "Not everything is known" : well);
  parts.verdict.dataset.state = found.length || unsure ? "attention" : "well";
  put(parts.reasons, found, () =>
    found.length
      ? found.map(([text, target, why]) => el("li", {}, way(text, target), why?.length ? [": ", ...why.flatMap(([name, list], place) => [place ? ", " : "", way(name, list)])] : null))
      : unsure ? "" : el("li", {}, "Every dependency answers, nothing has failed, and nothing is dead."),
  );
}

function way(text, target) {
  if (target === null) return el("span", {}, text);
  if (target.startsWith("#")) return el("a", { href: target }, text);
  return el("button", { type: "button", class: "quiet", onclick: () => { byId(target).scrollIntoView(); byId(target).focus({ preventScroll: true }); } }, text);
}

const note = (id, key, make) => put(byId(`${id}-note`), key, make);

function figures({ numbers, backlog, money, intake: found, away }) {
  const stale = away.find(({ name }) => name === "ledger")?.as_of;
  const asOf = stale ? `, as of ${show.clock(stale)}` : "";
  if (!numbers) {
    for (const id of ["freed", "kept", "saved", "waiting"]) {
      say(id, "unknown");
      note(id, null, () => "the ledger does not answer");
    }
    return;
  }
  const { in_lake: lake, in_both: both } = numbers;
  const kept = lake.parquet_bytes + both.parquet_bytes;
  const ratio = kept ? (lake.source_bytes + both.source_bytes) / kept : null;
  say("freed", show.bytes(lake.source_bytes));
  note("freed", [lake.jobs, asOf], () => [counted(lake.jobs, `${show.plural(lake.jobs, "chunk")} removed`, "jobs", { kind: "archive", status: "removed" }), asOf]);
  say("kept", show.bytes(kept));
  const archives = lake.jobs + both.jobs;
  note("kept", [lake, both, asOf], () => [`${show.plural(lake.rows + both.rows, "row")} in `, counted(archives, show.plural(archives, "archive"), "jobs", { kind: "archive", status: ["archived", "removed"] }), ratio === null ? "" : `, ${show.ratio(ratio)} smaller`, asOf]);
  say("saved", show.money(money.saved_month, money.currency));
  note("saved", money, () => `a month, at ${money.database_gb_month} for a GB in the database and ${money.lake_gb_month} in the lake`);
  const waiting = backlog.queued + backlog.running + (backlog.due ?? 0);
  say("waiting", show.count(waiting));
  const when = !waiting ? (backlog.due === null ? "" : "; nothing waits") : found?.paused && backlog.due ? "; what is due waits until somebody resumes" : backlog.done_at ? `; done in about ${show.until(backlog.done_at)}, at ${show.count(Math.round(backlog.per_hour))} an hour` : "; no pace yet to tell when it is done";
  note("waiting", [backlog, when, asOf], () => [
    counted(backlog.queued, `${show.count(backlog.queued)} queued`, "jobs", { kind: "archive", status: "queued" }), ", ",
    counted(backlog.running, `${show.count(backlog.running)} at work`, "jobs", { kind: "archive", status: "running" }),
    backlog.due ? [", ", counted(backlog.due, `${show.count(backlog.due)} due`, "chunks", { because: "due" })] : "",
    `${when}${backlog.due === null ? "; what policies want is unknown" : ""}${asOf}`,
  ].flat());
}

function intake({ intake: found, queues, stream, away }) {
  parts.pause.update(found);
  put(parts.intake, [found, queues, stream, away], () => {
    const pairs = [];
    for (const [kind, queue] of Object.entries(queues ?? {})) {
      pairs.push([kind === "archive" ? "Archive queue" : "Restore queue", `${show.plural(queue.messages, "message")}${queue.oldest ? `, oldest ${show.since(queue.oldest)}` : ""}`]);
      if (queue.poisoned) pairs.push([`Given up (${kind})`, show.plural(queue.poisoned, "message")]);
    }
    if (!queues) pairs.push(["Queues", unknown(away, "queues")]);
    pairs.push(["Events not read", stream ? (stream.lag === null ? "not told" : show.count(stream.lag)) : unknown(away, "stream")]);
    if (stream) pairs.push(["Events in hand", show.count(stream.pending)]);
    const state = !found ? unknown(away, "intake") : found.paused ? `Paused since ${show.time(found.changed_at)} by ${found.changed_by ?? "somebody"}${found.reason ? `: ${found.reason}` : ""}` : "Events and policies become jobs.";
    return [el("p", { class: found?.paused ? "bad" : "muted" }, state), el("dl", { class: "pairs" }, ...pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))))];
  });
}

function money(found) {
  put(parts.money, found, () => {
    if (!found) return el("div", {}, el("dt", {}, "unknown"), el("dd", {}, "the ledger does not answer"));
    const pairs = [
      ["Left the database", `${show.money(found.database_month, found.currency)} a month`],
      ["Kept in the lake", `${show.money(found.lake_month, found.currency)} a month`],
      [el("span", { title: FREED_THIS_MONTH }, "Freed this month"), found.freed_this_month === null ? "unknown" : `${show.bytes(found.freed_this_month)}, which would cost ${show.money(found.saved_this_month, found.currency)} a month`],
    ];
    return [...pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))), el("div", {}, el("dt", {}, el("a", { href: address("hypertables", { sort: "month", dir: "down" }) }, "Of which hypertable")))];
  });
}

export function update(root, { days }, params, data) {
  lead(data);
  figures(data);
  failures(parts.failures, parts.failuresEmpty, data.failures, data.away);
  refusals(parts.refusals, parts.refusalsEmpty, data.refusals, data.away);
  running(parts.running, parts.runningEmpty, data.running, data.numbers?.jobs.running, data.away);
  dependencies(parts.health, data);
  intake(data);
  money(data.money);
  if (days) timeline(days);
}
