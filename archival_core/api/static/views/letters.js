// Dead letters: events and messages that could not be used, with what came, shown as text and nothing else.

import { act, ask, passed } from "../core/act.js";
import { post, postAll, read } from "../core/api.js";
import { el, say, show as put, sync } from "../core/dom.js";
import * as show from "../core/format.js";
import { address, set } from "../core/route.js";
import { code } from "../parts/code.js";

export const title = () => "Dead letters";
let parts;

export async function load({ error_code: code, text, kind, after }) {
  const letters = [];
  let next = after;
  // with a filter a page may be empty before the end
  do {
    const page = await read("dead-letters", { error_code: code, text, kind, after: next, limit: 100 });
    letters.push(...page.dead_letters);
    next = page.next;
  } while (next && letters.length < 50);
  return { letters, next };
}

function field(name, label, input, params) {
  input.value = params[name] ?? "";
  input.addEventListener("change", () => set({ [name]: input.value.trim(), after: "" }));
  parts.inputs[name] = input;
  return el("label", { class: "field" }, label, input);
}

export function make(params) {
  parts = { inputs: {}, total: el("p", { class: "muted", role: "status" }, "Loading"), list: el("ul", { class: "plain letters" }), empty: el("p", { class: "empty" }), more: el("a", { class: "button" }, "Newer"), first: el("a", { class: "button" }, "Oldest") };
  const kind = el("select", {}, el("option", { value: "" }, "any"), el("option", { value: "event" }, "event"), el("option", { value: "message" }, "message"));
  return el(
    "div",
    {},
    el("div", { class: "heading" }, el("h1", {}, "Dead letters"), el("div", { class: "row" }, act("Replay all of these", () => many("replay")), act("Discard all of these", () => many("discard")))),
    el("div", { class: "filters" }, field("error_code", "Error code", el("input", { type: "text", autocomplete: "off", placeholder: "invalid-event" }), params), field("text", "In the reason", el("input", { type: "text", autocomplete: "off" }), params), field("kind", "Kind", kind, params)),
    parts.total,
    el("section", {}, parts.list, parts.empty),
    el("nav", { class: "row end", "aria-label": "Pages" }, parts.first, parts.more),
  );
}

function body() {
  const { error_code: code, text, kind } = parts.params;
  const found = { ...(code ? { error_code: [code].flat() } : {}), ...(text ? { text } : {}), ...(kind ? { kind } : {}) };
  return Object.keys(found).length ? found : { all: true };
}

function many(action) {
  const meant = body();
  const discards = action === "discard";
  ask({
    title: `${discards ? "Discard" : "Replay"} dead letters`,
    text: discards ? "They are given up; the ledger keeps what they were, and why." : "They go back into the event stream as they came, and may be buried again.",
    preview: async () => show.plural((await post(`dead-letters/${action}`, { ...meant, ...(discards ? { reason: "looked at" } : {}), dry_run: true })).left, "dead letter"),
    reason: discards ? "required" : undefined,
    word: action,
    danger: discards,
    label: discards ? "Discard" : "Replay",
    run: async ({ reason, told }) => passed(await postAll(`dead-letters/${action}`, { ...meant, ...(reason ? { reason } : {}) }, (number) => told(`${number} done …`)), discards ? "discarded" : "replayed"),
  });
}

function one(letter, action) {
  const discards = action === "discard";
  ask({
    title: `${discards ? "Discard" : "Replay"} ${letter.entry_id}`,
    text: letter.reason,
    reason: discards ? "required" : undefined,
    danger: discards,
    label: discards ? "Discard" : "Replay",
    run: async ({ reason }) => {
      await post(`dead-letters/${encodeURIComponent(letter.entry_id)}/${action}`, reason ? { reason } : undefined);
      return `${letter.entry_id} is ${discards ? "discarded" : "replayed"}.`;
    },
  });
}

// JSON with line breaks where it is JSON, else as it came.
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function update(root, { letters, next }, params, { stream }) {
  const total = stream?.dead ?? null;
  parts.params = params;
  for (const [name, input] of Object.entries(parts.inputs)) if (document.activeElement !== input) input.value = params[name] ?? "";
  sync(parts.list, letters, ({ entry_id: id }) => id, () => el("li", { class: "group" }), (item, letter) => {
    put(item, letter, () => [
      el("div", { class: "row" }, el("p", {}, el("strong", {}, letter.code ? code(letter.code) : letter.kind), el("span", { class: "muted" }, ` · ${letter.kind} ${letter.entry_id} · ${show.since(Number(letter.entry_id.split("-")[0]))} ago · ${show.bytes(letter.bytes)}`)),
        el("div", { class: "row" }, act("Discard", () => one(letter, "discard"), { class: "small", "aria-label": `Discard ${letter.entry_id}` }), letter.replayable ? act("Replay", () => one(letter, "replay"), { class: "small", "aria-label": `Replay ${letter.entry_id}` }) : null)),
      el("p", { class: "reason" }, (letter.code ? letter.reason.slice(letter.code.length + 2) : letter.reason) || "no reason is noted"),
      el("details", {}, el("summary", {}, letter.truncated ? "What came (its beginning)" : "What came"), el("dl", { class: "payload" }, ...Object.entries(letter.fields).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, el("pre", {}, pretty(value))))))),
    ]);
  });
  const filtered = params.error_code || params.text || params.kind;
  const shown = `shown: ${params.after ? "" : next || filtered ? "the oldest " : "all "}${show.count(letters.length)}${next ? ", and there may be more" : ""}`;
  say(parts.total, total === null ? `How many there are is unknown; ${shown}` : `${show.plural(total, "dead letter")}${filtered ? " in all" : ""}; ${shown}`);
  say(parts.empty, letters.length ? "" : filtered ? "None is like that." : "Every event could be used.");
  parts.more.hidden = !next;
  parts.more.href = address("dead-letters", { ...params, after: next ?? "" });
  parts.first.hidden = !params.after;
  parts.first.href = address("dead-letters", { ...params, after: "" });
}
