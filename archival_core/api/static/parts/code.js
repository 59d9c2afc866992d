// The code of an error: everywhere the way to what it means, what to do, and who has it.

import { read } from "../core/api.js";
import { coded, el } from "../core/dom.js";
import { address } from "../core/route.js";

export const code = (name) => el("a", { class: "code", href: address("errors", { code: name }), title: "What it means, and what to do" }, name);

// An error as the ledger has it: its code, and what it says of this case.
export const said = (error) => (error.code ? [code(error.code), ` ${error.message ?? ""}`] : [error.message ?? "no reason is noted"]);

let sections = null;

// The catalogue, by section: asked for once, since it changes with the service alone.
export async function catalogue() {
  sections ??= (await read("dashboard/errors")).sections;
  return sections;
}

// The same where a view has something to say without it.
export const catalogueOrNone = () => catalogue().catch(() => []);

export const entry = (found, name) => found.flatMap(({ codes }) => codes).find(({ code: other }) => other === name) ?? null;

const GIVEN_UP = "It was tried again by itself until it was given up: retry it when the cause has passed.";

// Of a remedy that asks nobody to act at once: the work is tried again by itself.
export const passes = (remedy) => /^(If it lasts|Nothing)/.test(remedy);

// What a person does, if anything; a job that was given up is not tried again by itself any more.
export function whatToDo(remedy, givenUp = false) {
  if (!givenUp || (remedy && !passes(remedy))) return remedy || null;
  return remedy ? `${GIVEN_UP} ${remedy}` : GIVEN_UP;
}

// The error with what its code means and what to do, where it stands.
export function explained(found, error, before = "", givenUp = false, besides = []) {
  const known = entry(found, error.code);
  const todo = whatToDo(known?.remedy, givenUp);
  return el("div", { class: "banner" },
    el("p", {}, before, ...said(error)),
    known ? el("p", { class: "muted" }, ...coded(known.meaning)) : null,
    todo ? el("p", { class: "remedy" }, ...coded(todo)) : null,
    ...besides);
}
