// The catalogue of errors: what each code means, and what to do about it; the one that was asked for comes first.

import { coded, el, say, show as put } from "../core/dom.js";
import { address, set } from "../core/route.js";
import { catalogue, code, entry } from "../parts/code.js";
import { table } from "../parts/table.js";

export const title = ({ code: name }) => (name ? `Error ${name}` : "Errors");
export const identity = ({ code: name }) => name ?? "";
// Nothing of it changes while the page is open.
export const every = 1000;
let parts;

export const load = () => catalogue();

export function make(params) {
  const search = el("input", { type: "search", id: "search", placeholder: "Code or words", "aria-label": "Search error codes", value: params.q ?? "", autocomplete: "off" });
  search.addEventListener("input", () => set({ q: search.value }));
  parts = { search, one: el("div", {}), list: el("div", { class: "catalogue" }), empty: el("p", { class: "empty" }), tables: new Map() };
  return el("div", {}, el("div", { class: "heading" }, el("h1", {}, "Errors"), search), el("p", { class: "muted" }, "What each code means, and what to do. Where nothing is to be done, the work is tried again by itself."), parts.one, parts.list, parts.empty);
}

function one(sections, name) {
  put(parts.one, name ?? null, () => {
    if (!name) return [];
    const found = entry(sections, name);
    return el("div", { class: "step" },
      el("h2", { class: "mono" }, name),
      el("p", {}, ...(found ? coded(found.meaning) : ["The catalogue has no such code."])),
      found ? el("p", { class: found.remedy ? "remedy" : "muted" }, ...(found.remedy ? coded(found.remedy) : ["Nothing is to be done: the work is tried again by itself, and the message beside the code says what was met. A job that was given up after several tries is retried by hand, when the cause has passed."])) : null,
      el("p", { class: "ways" },
        el("a", { href: address("jobs", { status: "failed", open: "true", error_code: name }) }, "Failed jobs with it"),
        el("a", { href: address("jobs", { removal_error_code: name }) }, "Chunks that are not removed for it"),
        el("a", { href: address("dead-letters", { error_code: name }) }, "Dead letters with it")));
  });
}

function section(name) {
  const found = table(name, [
    { head: "Code", kind: "code-cell", cell: ({ code: one }) => code(one) },
    { head: "What is the case", wide: true, cell: ({ meaning }) => el("span", {}, ...coded(meaning)) },
    { head: "What to do", wide: true, cell: ({ remedy }) => (remedy ? el("span", {}, ...coded(remedy)) : "–") },
  ]);
  parts.tables.set(name, found);
  const root = el("section", {}, el("h2", {}, name), found.root);
  parts.list.append(root);
  return { ...found, section: root };
}

export function update(root, sections, { code: name, q = "" }) {
  if (document.activeElement !== parts.search) parts.search.value = q;
  one(sections, name);
  const words = q.trim().toLowerCase();
  let shown = 0;
  for (const { title: head, codes } of sections) {
    const found = parts.tables.get(head) ?? section(head);
    parts.tables.set(head, found);
    const wanted = codes.filter((known) => Object.values(known).some((text) => text?.toLowerCase().includes(words)));
    shown += wanted.length;
    found.rows(wanted, ({ code: one }) => one);
    found.section.hidden = wanted.length === 0;
  }
  say(parts.empty, shown ? "" : "No code and no text has that in it.");
}
