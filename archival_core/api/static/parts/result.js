// The rows of an answer, some at a time: a table that scrolls by itself, and is reached by the keyboard.

import { el, say } from "../core/dom.js";
import * as show from "../core/format.js";

const AT_A_TIME = 200;
// Characters of a value that stands in one line, a moment with its zone for example.
const BRIEF = 32;

export const isNumber = (type) => /INT|DECIMAL|DOUBLE|FLOAT/.test(type) && !type.includes("[");

export function resultTable() {
  const head = el("thead", {});
  const body = el("tbody", {});
  const more = el("button", { type: "button", onclick: () => grow() }, "More rows");
  const empty = el("p", { class: "empty" });
  const scroll = el("div", { class: "scroll result", tabindex: 0, role: "region", "aria-label": "Rows of the answer" }, el("table", { class: "rows" }, el("caption", { class: "unseen" }, "Rows of the answer"), head, body));
  let columns = [];
  let rows = [];

  function cell(value, { type }) {
    if (value === null) return el("td", { class: isNumber(type) ? "number" : null }, el("span", { class: "null" }, "NULL"));
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return el("td", { class: isNumber(type) ? "number" : text.length <= BRIEF ? "brief" : null }, text);
  }

  function grow() {
    const from = body.children.length;
    body.append(...rows.slice(from, from + AT_A_TIME).map((row) => el("tr", {}, ...row.map((value, place) => cell(value, columns[place])))));
    const left = rows.length - body.children.length;
    more.hidden = left === 0;
    say(more, left ? `${show.count(Math.min(left, AT_A_TIME))} more of ${show.count(left)}` : "");
  }

  return {
    root: el("div", {}, scroll, empty, more),
    update(found, answer) {
      columns = found;
      rows = answer;
      head.replaceChildren(el("tr", {}, ...columns.map(({ name, type }) => el("th", { scope: "col", class: isNumber(type) ? "number" : null }, name, el("span", { class: "type" }, type.toLowerCase())))));
      body.replaceChildren();
      say(empty, rows.length ? "" : "No rows.");
      grow();
    },
  };
}
