// One chunk: where its rows are, what happens next and when, why not sooner, what happened so far, and what can be done.

import { act, ask } from "../core/act.js";
import { post, read } from "../core/api.js";
import { coded, copy, el, say, show as put } from "../core/dom.js";
import * as show from "../core/format.js";
import { address } from "../core/route.js";
import { code } from "../parts/code.js";
import { jobColumns } from "../parts/job_columns.js";
import { table } from "../parts/table.js";

export const title = ({ chunk }) => show.chunk(chunk);
export const identity = ({ hypertable, chunk }) => `${hypertable}/${chunk}`;
let parts;

export const load = ({ hypertable, chunk }) => read("chunks/why", { hypertable, chunk });

export function make({ hypertable, chunk }) {
  const jobs = table("Jobs of the chunk", jobColumns({ chunk: false }));
  parts = {
    jobs,
    step: el("div", { class: "step", role: "status" }),
    places: el("div", { class: "places" }),
    actions: el("div", { class: "row actions" }),
    range: el("p", { class: "muted" }),
  };
  return el(
    "div",
    {},
    el("p", { class: "crumbs" }, el("a", { href: address("hypertables") }, "Hypertables"), " / ", el("a", { href: address("hypertable", { name: hypertable }) }, hypertable)),
    el("h1", {}, show.chunk(chunk)),
    parts.range,
    parts.step,
    parts.places,
    parts.actions,
    el("section", { "aria-labelledby": "jobs-title" }, el("h2", { id: "jobs-title" }, "Its jobs"), jobs.root),
  );
}

const STEPS = { archive: "Next: archived", remove: "Next: leaves the database", restore: "Next: comes back", nothing: "Nothing happens by itself" };

function step(hypertable, { next_step: next, chunk }) {
  put(parts.step, [next, chunk], () => [
    el("p", { class: "step-name" }, next.because === "refused" ? "Refused; next: tried again" : next.because === "siblings" ? "Next: leaves the database, after its siblings" : STEPS[next.step], next.at ? el("strong", {}, ` in ${show.until(next.at)}`) : null),
    el("p", {}, `${next.text[0].toUpperCase()}${next.text.slice(1)}.`, ...(next.code ? [" ", code(next.code)] : [])),
    next.remedy ? el("p", { class: "remedy" }, ...coded(next.remedy)) : null,
    next.siblings?.length ? el("p", { class: "ways" }, "Waits for", ...next.siblings.map((sibling) => el("a", { href: address("chunk", { hypertable, chunk: sibling }) }, show.chunk(sibling)))) : null,
  ]);
  parts.step.dataset.because = next.because;
}

function places(found) {
  put(parts.places, found, () => {
    const box = (name, there, ...lines) => el("div", { class: there ? "place there" : "place" }, el("h2", {}, name), el("p", { class: "place-state" }, there ? "holds the rows" : "has none of the rows"), ...lines.filter(Boolean).map((line) => el("p", {}, line)));
    const inLake = found.lake_path !== null && ["archived", "removed", "restoring"].includes(found.state);
    const rows = found.rows ?? found.rows_estimated;
    return [
      box("Database", found.in_database, found.in_database ? `${show.bytes(found.database_bytes)}, ${found.rows === null ? "about " : ""}${show.plural(rows, "row")}` : null, found.restored_at ? `restored ${show.time(found.restored_at)}` : null),
      box("Lake", inLake, inLake ? `${show.bytes(found.parquet_bytes)} of Parquet, ${show.plural(found.rows, "row")}, was ${show.bytes(found.source_bytes)}` : null, inLake ? `archived ${show.time(found.finished_at)}` : null, inLake ? [el("code", {}, found.lake_path), " ", copy(found.lake_path)] : null),
    ];
  });
}

function actions(hypertable, found) {
  put(parts.actions, [found.state, found.chunk, found.job_id, found.next_step.because], () => {
    const { state, chunk, job_id: id } = found;
    const name = show.chunk(chunk);
    const button = (label, what, kind) => act(label, what, { class: kind });
    const list = [];
    if (state === "failed") list.push(button("Retry", () => retry(id, name), "strong"));
    if (["in-database", "failed", "archived"].includes(state)) list.push(button(state === "archived" ? "Archive again …" : "Archive …", () => archive(hypertable, chunk, state === "archived"), state === "in-database" ? "strong" : null));
    if (state === "archived") {
      list.push(button("Remove …", () => decide(hypertable, chunk, true)));
      list.push(button("Keep …", () => decide(hypertable, chunk, false)));
    }
    if (state === "removed") list.push(button("Restore …", () => restore(hypertable, chunk), "strong"));
    if (["archived", "removed"].includes(state)) list.push(button("Verify", () => verify(id, name)));
    if (["queued", "running"].includes(state)) list.push(button("Cancel the job …", () => cancel(id, name)));
    return list;
  });
}

function archive(hypertable, chunk, again) {
  const body = { hypertable, chunk, ...(again ? { force: true } : {}) };
  ask({
    title: `${again ? "Archive again" : "Archive"} ${show.chunk(chunk)}`,
    text: again ? "A new revision takes the place of the archive that is there." : "Its rows stay in the database until they are removed.",
    preview: async () => {
      const found = await post("archives", { ...body, dry_run: true });
      return `About ${show.plural(found.rows_estimated, "row")}, ${show.bytes(found.bytes)} in the database.`;
    },
    label: "Archive",
    run: async () => `${show.plural((await post("archives", body)).jobs.length, "job")} asked for.`,
  });
}

function decide(hypertable, chunk, remove) {
  const body = { hypertable, chunk, remove };
  ask({
    title: `${remove ? "Remove" : "Keep"} ${show.chunk(chunk)}${remove ? " from the database" : ""}`,
    text: remove ? "Its rows leave the database when the grace is over, after they were proven equal to their archive. A restore brings them back." : "It stays in the database, whatever the policy says.",
    preview: async () => {
      const found = await post("chunks/removal", { ...body, dry_run: true });
      const next = found.chunk.next_step;
      return [el("p", {}, `${next.text[0].toUpperCase()}${next.text.slice(1)}.`), found.refusal ? el("p", { class: "bad" }, `It would be refused now: ${found.refusal}`) : null].filter(Boolean);
    },
    word: remove ? show.chunk(chunk) : null,
    label: remove ? "Remove" : "Keep",
    danger: remove,
    run: async () => {
      const found = await post("chunks/removal", body);
      return `${show.chunk(chunk)}: ${found.chunk.next_step.text}.`;
    },
  });
}

function restore(hypertable, chunk) {
  const body = { hypertable, chunk };
  ask({
    title: `Restore ${show.chunk(chunk)}`,
    text: "Its rows come back into the hypertable, and stay until somebody archives and removes them anew.",
    preview: async () => show.restoring(await post("restores", { ...body, dry_run: true })),
    word: show.chunk(chunk),
    label: "Restore",
    run: async () => `${show.plural((await post("restores", body)).jobs.length, "restore")} asked for.`,
  });
}

function verify(id, name) {
  ask({
    title: `Verify ${name}`,
    text: "Its archive is read again and compared with its manifest, before its turn.",
    label: "Verify",
    run: async () => `${show.plural((await post("verifications", { job_id: id })).archives, "archive")} will be read again.`,
  });
}

function retry(id, name) {
  ask({
    title: `Retry ${name}`,
    text: "Its job is queued again, and fails again unless the cause is mended or has passed.",
    label: "Retry",
    run: async () => {
      await post(`jobs/${id}/retry`);
      return "It is queued again.";
    },
  });
}

function cancel(id, name) {
  ask({
    title: `Cancel the job of ${name}`,
    text: "A worker that has it stops within a third of its lease. The chunk stays where it is.",
    label: "Cancel the job",
    danger: true,
    run: async () => {
      await post(`jobs/${id}/cancel`);
      return "The job is cancelled.";
    },
  });
}

export function update(root, data) {
  // a chunk that was made again under the name of a removed one comes first: its rows are in the database
  const found = data.chunks.find(({ in_database: there }) => there) ?? data.chunks.at(-1);
  say(parts.range, `${show.range({ start: found.range_start, end: found.range_end })} of ${data.hypertable}`);
  step(data.hypertable, found);
  places(found);
  actions(data.hypertable, found);
  parts.jobs.rows(data.jobs, ({ job_id: id }) => id);
}
