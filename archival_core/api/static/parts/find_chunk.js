// From a chunk's name, or a moment, to the chunk.

import { read } from "../core/api.js";
import { el } from "../core/dom.js";
import * as show from "../core/format.js";
import { address } from "../core/route.js";

const link = (hypertable, chunk) => address("chunk", { hypertable, chunk });

// A date, a time, or the digits of integer time; all else is a name, and undefined.
function moment(text) {
  if (/^-?\d+$/.test(text)) return text;
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return `${text}T00:00:00Z`;
  if (!/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(text)) return undefined;
  // without seconds, and without a zone, as people write it
  return text.replace(" ", "T").replace(/(T\d\d:\d\d)(?=$|Z)/, "$1:00").replace(/(T\d\d:\d\d:\d\d)$/, "$1Z");
}

export function findChunk(hypertable) {
  const field = el("input", { type: "search", id: "find-chunk", placeholder: "name, or 2026-01-06", autocomplete: "off", spellcheck: "false" });
  const told = el("p", { class: "muted", role: "status" });
  const form = el("form", { class: "find" }, el("label", { for: "find-chunk" }, "Find a chunk"), field, el("button", { type: "submit", class: "small" }, "Find"), told);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text) return field.focus();
    told.replaceChildren("Looking …");
    try {
      const at = moment(text);
      const { chunks } = await read("chunks/why", { hypertable, ...(at === undefined ? { chunk: text } : { at }) });
      if (chunks.length === 1) location.hash = link(hypertable, chunks[0].chunk);
      else told.replaceChildren(...(chunks.length ? chunks.flatMap(({ chunk }) => [el("a", { href: link(hypertable, chunk) }, show.chunk(chunk)), " "]) : ["No chunk is like that."]));
    } catch (error) {
      told.replaceChildren(`${error.message}.`);
    }
  });
  return form;
}
