// What wants somebody: failures and refusals, each reason with all that it means, and what can be done about it.

import { act, ask, passed } from "../core/act.js";
import { post, postAll } from "../core/api.js";
import { coded, el, say, show as put, sync } from "../core/dom.js";
import * as show from "../core/format.js";
import { address } from "../core/route.js";
import { code, whatToDo } from "./code.js";
import { unknown } from "./state.js";

// The first names of a list that has 20 at most.
const named = (names, most = 3) => `${names.slice(0, most).join(", ")}${names.length > most ? ` and ${names.length < 20 ? names.length - most : "many"} more` : ""}`;

// What it says of the newest, what the code means, and what to do.
function explained(group) {
  const todo = whatToDo(group.remedy, group.is_transient);
  return [
    el("p", { class: "reason" }, group.message || group.meaning || "no reason is noted"),
    el("p", { class: "muted" }, code(group.code), group.message && group.meaning ? [": ", ...coded(group.meaning)] : null),
    todo ? el("p", { class: "remedy" }, ...coded(todo)) : null,
  ];
}

export function failures(list, empty, groups, away) {
  sync(list, groups ?? [], ({ code }) => code, () => el("li", { class: "group" }), (item, group) => {
    put(item, group, () => {
      const filter = { status: "failed", open: "true", error_code: group.code };
      return [
        el("div", { class: "row" }, el("p", {}, el("a", { href: address("jobs", filter) }, el("strong", {}, show.count(group.jobs)), " ", group.code), el("span", { class: "muted" }, ` · ${named(group.hypertables)} · `, el("span", { class: "date" }, `since ${show.time(group.oldest)}`))),
          el("div", { class: "row" },
            act("Dismiss", () => dismiss(group), { class: "small", "aria-label": `Dismiss ${group.code}` }),
            act("Retry all", () => retry(group), { class: group.is_transient ? "small strong" : "small", "aria-label": `Retry all ${group.code}` }))),
        ...explained(group),
      ];
    });
  });
  empty.hidden = Boolean(groups?.length);
  say(empty, groups ? "Nothing has failed that waits for somebody." : unknown(away, "lists"));
}

function retry(group) {
  const body = { error_code: [group.code], open: true };
  ask({
    title: `Retry ${group.code}`,
    text: group.is_transient ? "They are queued again as they are." : `They fail again unless the cause is mended. ${group.remedy ?? ""}`,
    preview: async () => `${show.plural((await post("jobs/retry", { ...body, dry_run: true })).left, "job")} with this code that wait for somebody.`,
    label: "Retry all",
    run: async ({ told }) => passed(await postAll("jobs/retry", body, (done) => told(`${done} queued again …`)), "queued again"),
  });
}

function dismiss(group) {
  const body = { error_code: [group.code], open: true };
  ask({
    title: `Dismiss ${group.code}`,
    text: "They no longer count as waiting for somebody. Their chunks stay where they are, and each can still be retried.",
    preview: async () => show.plural((await post("jobs/dismiss", { ...body, reason: "looked at", dry_run: true })).left, "job"),
    reason: "required",
    label: "Dismiss",
    run: async ({ reason, told }) => passed(await postAll("jobs/dismiss", { ...body, reason }, (done) => told(`${done} dismissed …`)), "dismissed"),
  });
}

export function refusals(list, empty, groups, away) {
  sync(list, groups ?? [], ({ code }) => code, () => el("li", { class: "group" }), (item, group) => {
    put(item, group, () => [
      el("p", {}, el("a", { href: address("jobs", { removal_error_code: group.code }) }, el("strong", {}, show.count(group.chunks)), " ", group.code), el("span", { class: "muted" }, ` · ${show.bytes(group.bytes)} · ${named(group.hypertables)}${group.newest ? ` · tried last ${show.time(group.newest)}` : ""}`)),
      ...explained(group),
    ]);
  });
  empty.hidden = Boolean(groups?.length);
  say(empty, groups ? "No removal is refused." : unknown(away, "lists"));
}
