// The policy of a hypertable, edited: what is typed stays, whatever comes in meanwhile, and is looked at before it is saved.

import { act, ask } from "../core/act.js";
import { change, post } from "../core/api.js";
import { el, say } from "../core/dom.js";
import * as show from "../core/format.js";

const days = (text) => `P${text}D`;

export function make(name) {
  const archive = el("input", { type: "number", min: "0", step: "any", id: "archive-after", required: true });
  const remove = el("input", { type: "number", min: "0", step: "any", id: "remove-after", placeholder: "never" });
  const enabled = el("input", { type: "checkbox", id: "policy-enabled" });
  const others = el("select", { id: "dropped-by-others" }, el("option", { value: "keep" }, "kept as history"), el("option", { value: "forget" }, "forgotten"));
  const note = el("p", { class: "muted", role: "status" });
  const problem = el("p", { class: "bad", hidden: true });
  const drop = act("Delete the policy", () => forget(name), { class: "small" });
  const form = el(
    "form",
    { class: "policy" },
    problem,
    el("label", { class: "field" }, "Archived, days after a chunk's end", archive),
    el("label", { class: "field" }, "Removed from the database, days after a chunk's end", remove),
    el("label", { class: "field" }, "Archives whose chunk others drop are", others),
    el("label", { class: "check" }, enabled, " in force"),
    note,
    el("div", { class: "row end" }, drop, el("button", { type: "submit", class: "acts strong" }, "Look and save …")),
  );
  form.addEventListener("input", () => { form.dataset.typed = "yes"; });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save(name, form);
  });
  return form;
}

function wanted(form) {
  const value = (id) => form.querySelector(`#${id}`).value.trim();
  return {
    archive_after: days(value("archive-after")),
    remove_after: value("remove-after") === "" ? null : days(value("remove-after")),
    enabled: form.querySelector("#policy-enabled").checked,
    dropped_by_others: value("dropped-by-others"),
  };
}

function save(name, form) {
  const body = wanted(form);
  ask({
    title: `The policy of ${name}`,
    text: body.enabled ? "" : "The policy is off: it archives and removes nothing until it is in force.",
    preview: async () => {
      const found = await post("policies/preview", { hypertable: name, archive_after: body.archive_after, remove_after: body.remove_after });
      const { archive, remove } = found.at_once;
      return [
        el("p", {}, el("strong", {}, `Would archive ${show.plural(archive.chunks, "chunk")}, ${show.bytes(archive.bytes)}`), ` and remove ${show.plural(remove.chunks, "chunk")}, ${show.bytes(remove.bytes)}, at once.`),
        el("p", { class: "muted" }, "What people have restored, and what their requests keep, stays. A removal waits for the grace after each archive."),
      ];
    },
    word: body.enabled && body.remove_after !== null ? name : null,
    label: "Save",
    run: async () => {
      await change("PUT", `policies/${encodeURIComponent(name)}`, body);
      delete form.dataset.typed;
      return `The policy of ${name} is saved.`;
    },
  });
}

function forget(name) {
  ask({
    title: `Delete the policy of ${name}`,
    text: "Nothing is archived or removed by itself any more. Jobs that it has made go on.",
    label: "Delete",
    danger: true,
    run: async () => {
      await change("DELETE", `policies/${encodeURIComponent(name)}`);
      return `The policy of ${name} is deleted.`;
    },
  });
}

export function update(form, policy) {
  const problem = form.querySelector(".bad");
  problem.hidden = !policy?.problem;
  say(problem, policy?.problem ?? "");
  say(form.querySelector("[role=status]"), policy ? "" : "There is no policy: chunks are archived when somebody asks.");
  form.querySelector("button.small").hidden = !policy;
  const looks = document.documentElement.dataset.may === "look";
  for (const field of form.querySelectorAll("input, select")) field.disabled = looks;
  // what somebody is typing is left alone
  if (form.dataset.typed || form.contains(document.activeElement)) return;
  const age = (text) => (text === null || text === undefined ? "" : String(show.ageInDays(text) ?? ""));
  form.querySelector("#archive-after").value = age(policy?.archive_after);
  form.querySelector("#remove-after").value = age(policy?.remove_after);
  form.querySelector("#policy-enabled").checked = policy?.enabled ?? true;
  form.querySelector("#dropped-by-others").value = policy?.dropped_by_others ?? "keep";
}
