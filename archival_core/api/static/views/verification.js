// What verification found wrong with archives, and asking for one.

import { act, ask } from "../core/act.js";
import { post, read } from "../core/api.js";
import { el, say } from "../core/dom.js";
import * as show from "../core/format.js";
import { address } from "../core/route.js";
import { code } from "../parts/code.js";
import { badge } from "../parts/job_columns.js";
import { table } from "../parts/table.js";

export const title = () => "Verification";
let parts;

export const load = () => read("verifications", { limit: 500 });

export function make() {
  const found = table("Findings", [
    { head: "Found", cell: ({ found_at: at }) => show.time(at) },
    { head: "Hypertable", cell: ({ hypertable }) => el("a", { href: address("hypertable", { name: hypertable }) }, hypertable) },
    { head: "Chunk", cell: ({ hypertable, chunk }) => el("a", { href: address("chunk", { hypertable, chunk }) }, show.chunk(chunk)) },
    { head: "Its archive", cell: ({ status }) => badge(status) },
    { head: "Problem", cell: ({ problem }) => el("strong", { class: "bad" }, problem) },
    { head: "File", wide: true, cell: ({ file, detail }) => [el("code", {}, file), ` ${detail}`] },
    { head: "", cell: ({ job_id: id, chunk }) => act("Verify again", () => again(id, chunk), { class: "small", "aria-label": `Verify ${show.chunk(chunk)} again` }) },
  ]);
  // what can be done depends on where the rows are besides
  const remedy = el("p", { class: "remedy", hidden: true }, "What to do: where the archive is “archived”, its rows are in the database too: archive the chunk again, in the chunk's view. Where it is “removed”, the file is the only copy: bring it back by the lake's soft delete or from a backup, and verify again. What is “extra” is moved away. ", code("archive-damaged"));
  parts = { remedy, found, total: el("p", { class: "muted", role: "status" }, "Loading"), empty: el("p", { class: "empty" }) };
  return el("div", {}, el("h1", {}, "Verification"), parts.total, parts.remedy, el("section", {}, found.root, parts.empty));
}

function again(id, chunk) {
  ask({
    title: `Verify ${show.chunk(chunk)}`,
    text: "Its archive is read again and compared with its manifest, before its turn. Where it is right, the finding goes.",
    label: "Verify",
    run: async () => `${show.plural((await post("verifications", { job_id: id })).archives, "archive")} will be read again.`,
  });
}

export function update(root, { findings }, params, { numbers }) {
  parts.found.rows(findings, ({ job_id: id, file }) => `${id}${file}`);
  const total = numbers?.findings ?? null;
  const strays = numbers?.strays ? ` ${show.plural(numbers.strays, "folder")} of the lake ${numbers.strays === 1 ? "is" : "are"} no archive of the ledger: the table archival.stray of the ledger names ${numbers.strays === 1 ? "it" : "them"} with the reason. The service deletes none; move out of tables/ what is somebody's.` : "";
  say(parts.total, `${total === null ? "How many there are is unknown" : show.plural(total, "finding")}${findings.length < (total ?? 0) ? `; the worst ${findings.length} are shown` : ""}.${strays}`);
  parts.remedy.hidden = !findings.length;
  say(parts.empty, findings.length ? "" : "Every archive that was read again is as it was written. Each is read again by itself, as often as VERIFY_EVERY says.");
}
