// The columns of a table, each as a button that puts its name where the caret of the editor is.

import { el } from "../core/dom.js";

export const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

function insert(name, editor) {
  editor.setRangeText(/^[a-z_][a-z0-9_]*$/.test(name) ? name : quoted(name), editor.selectionStart, editor.selectionEnd, "end");
  editor.dispatchEvent(new Event("input"));
  editor.focus();
}

export const columnsOf = (rows, editor) => rows.map(([name, type]) => el("li", {}, el("button", { type: "button", class: "small", onclick: () => insert(name, editor) }, name), el("span", { class: "muted" }, ` ${type.toLowerCase()}`)));
