// A table whose rows stay the same elements while they are there. On a narrow screen each row is a card, with its columns' names.

import { el, keepingFocus, sync } from "../core/dom.js";

// `columns`: head, cell(row), and as wished: help (what the column means), numeric, sort (the name by which the address knows it), wide (a column that takes what is left),
// kind (a class of its cells).
export function table(label, columns, { onSort } = {}) {
  const heads = columns.map(({ head, help, numeric, sort, kind }) => {
    const inner = sort && onSort ? el("button", { type: "button", class: "sort", onclick: () => onSort(sort) }, head) : head;
    return head ? el("th", { scope: "col", class: numeric ? "number" : null, title: help }, inner) : el("td", { class: kind ?? null });
  });
  const body = el("tbody", {});
  const root = el("div", { class: "scroll" }, el("table", { "aria-label": label }, el("thead", {}, el("tr", {}, ...heads)), body));
  const shown = new WeakMap();

  function update(row, item) {
    const text = JSON.stringify(item);
    if (shown.get(row) === text) return;
    shown.set(row, text);
    const cells = columns.map(({ head, cell, numeric, wide, kind }) => {
      const found = [cell(item)].flat().filter((part) => part !== null && part !== undefined);
      const none = found.length === 1 && found[0] === "–";
      return el("td", { "data-label": head, "data-none": none, class: [numeric && "number", wide && "wide-cell", kind].filter(Boolean).join(" ") || null }, el("span", { class: "cell" }, ...found));
    });
    keepingFocus(row, () => row.replaceChildren(...cells));
  }

  return {
    root,
    rows(items, keyOf) {
      sync(body, items, keyOf, () => el("tr", {}), update);
    },
    sorted(name, direction) {
      columns.forEach(({ sort }, place) => {
        if (!sort) return;
        if (sort === name) heads[place].setAttribute("aria-sort", direction === "up" ? "ascending" : "descending");
        else heads[place].removeAttribute("aria-sort");
      });
    },
  };
}
