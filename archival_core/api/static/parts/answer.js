// What is said of an answer to a question, and of a question that has none.

import { el } from "../core/dom.js";
import * as show from "../core/format.js";
import { code } from "./code.js";

const HEADS = {
  "queries-off": "Questions are switched off here",
  "query-busy": "Too many questions at a time",
  "query-time": "It took too long",
  "query-memory": "It needed too much memory",
  "query-refused": "This is not a question that only reads tables",
  "query-invalid": "This is not understood",
};

export function refused(error) {
  const head = HEADS[error.code] ?? (error.message === "called off" ? "Nobody waits for it any more" : "No answer");
  const text = error.message === "called off" ? "The service is told so, and ends the question." : error.message;
  return el("div", { class: "banner" }, el("strong", {}, head), error.code ? [" ", code(error.code)] : null, el("p", { class: "said" }, text));
}

const CUTS = { rows: "the limit of rows has cut the answer off", bytes: "the service's limit of bytes has cut the answer off" };

export function made({ rows, at, cut, figures: found }) {
  return [`${show.plural(rows.length, "row")}, at ${show.clock(at)}`, CUTS[cut], ...figures(found)].filter(Boolean).join("; ");
}

// Of rows that were answered at one moment, where the same question had no answer at a later one.
export const ofBefore = (answered, missed) => `These rows are of before: they are the answer of ${show.clock(answered)}. At ${show.clock(missed)} the same question had no answer.`;

// What is to be known of rows that are right as they are.
export const noted = (notes) => notes.map(({ message }) => `Note: ${message}.`);

function figures(found) {
  if (!found) return [];
  const skipped = found.archives - found.archives_read;
  const archives = found.archives ? `${show.count(found.archives_read)} of ${show.plural(found.archives, "archive")} read (${show.bytes(found.bytes_read)} in ${show.plural(found.files_read, "file")})${skipped ? `, ${show.count(skipped)} pruned` : ""}` : "no archive stands in for rows of these tables";
  return [`${found.seconds.toFixed(2)} s`, archives, `${show.plural(found.live_rows, "row")} from the database`];
}
