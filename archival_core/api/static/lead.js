// The first thing to read: is all well, what is not, and the four figures.

import { byId, el, say } from "./dom.js";
import * as show from "./format.js";

function concerns({ numbers, failed, stream, dead_letters: dead, dependencies, behind, away }) {
  const found = [];
  const add = (number, text, target) => {
    if (number) found.push({ text, target });
  };
  const down = Object.entries(dependencies ?? {}).filter(([, state]) => state !== "ok");
  const letters = stream?.dead ?? dead?.length ?? 0;
  add(down.length, `${down.map(([name]) => name).join(", ")} ${down.length === 1 ? "does" : "do"} not answer`, "#health-section");
  add(numbers?.paused, "the intake is paused", null);
  add(failed?.length, show.plural(failed?.length ?? 0, "failed job"), "#failed-section");
  add(numbers?.findings, `${show.plural(numbers?.findings ?? 0, "file")} in the lake not as written`, null);
  add(letters, show.plural(letters, "dead letter"), "#dead-section");
  const late = (behind ?? []).filter(({ days }) => days === null || days > 1);
  add(late.length, `${show.plural(late.length, "hypertable")} behind its policy`, "#chunks-title");
  add(away.length && !down.length, `no figures from: ${away.join(", ")}`, null);
  return found;
}

function verdict({ numbers, running }, found) {
  const queued = numbers?.jobs.queued ?? 0;
  const atWork = running?.length ?? 0;
  if (found.length) return found.length === 1 ? "One thing needs attention" : `${found.length} things need attention`;
  if (atWork) return `Working on ${show.plural(atWork, "chunk")}`;
  if (queued) return `${show.plural(queued, "chunk")} waiting`;
  return "All is well";
}

export function lead(overview) {
  const found = concerns(overview);
  say("verdict", verdict(overview, found));
  byId("verdict").dataset.state = found.length ? "attention" : "well";
  const reasons = byId("reasons");
  if (!found.length) return say(reasons, "Every dependency answers, nothing has failed, and nothing is dead.");
  const parts = found.map(({ text, target }) => (target ? el("a", { href: target }, text) : el("span", {}, text)));
  if (reasons.textContent !== parts.map((part) => part.textContent).join("")) reasons.replaceChildren(...parts);
}

export function figures({ numbers, queues, running }) {
  if (numbers) {
    const { archived, removed, restored } = numbers;
    say("freed", show.bytes(removed.source_bytes));
    const back = restored.jobs ? `, ${show.plural(restored.jobs, "chunk")} restored` : "";
    say("freed-note", `${show.plural(removed.jobs, "chunk")} removed${back}`);
    say("kept", show.bytes(archived.parquet_bytes));
    say("kept-note", `${show.plural(archived.rows, "row")} in ${show.plural(archived.jobs, "archive")}`);
    const ratio = archived.parquet_bytes ? archived.source_bytes / archived.parquet_bytes : null;
    say("ratio", show.ratio(ratio));
    say("ratio-note", ratio === null ? "nothing archived yet" : `${show.bytes(archived.source_bytes)} as it was in the database`);
  }
  const queued = numbers?.jobs.queued;
  const oldest = Object.values(queues ?? {}).map((queue) => queue.oldest).filter(Boolean).sort()[0];
  say("waiting", show.count(queued ?? 0));
  say("waiting-note", `${show.plural(running?.length ?? 0, "job")} at work${oldest ? `, oldest waits ${show.since(oldest)}` : ""}`);
}
