// Elements from data. Everything becomes text: nothing here can make HTML of a string.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false).map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// A name that is too long for its place is broken after a dot or an underscore, if it has one.
export const breakable = (name) => name.split(/(?<=[._])/).flatMap((part, place) => (place ? [el("wbr"), part] : [part]));

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function byId(id) {
  return document.getElementById(id);
}

// Only what changed is written, so that a reader's selection and a screen reader's place stay.
export function say(target, text) {
  const element = typeof target === "string" ? byId(target) : target;
  if (element.textContent !== text) element.textContent = text;
}

// The same for children: `key` says what they show, and they are made anew only when it changes.
export function show(target, key, make) {
  const text = JSON.stringify(key);
  if (target.dataset.shows === text) return;
  target.dataset.shows = text;
  keepingFocus(target, () => target.replaceChildren(...[make()].flat().filter((child) => child !== null && child !== undefined && child !== false)));
}

const REACHABLE = "a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea, summary, [tabindex='0']";
const nameOf = (element) => element.id || element.getAttribute("aria-label") || element.textContent;
const isLike = (one, other) => one === other || (nameOf(one) !== "" && nameOf(one) === nameOf(other));

// Makes children anew, and leaves the focus on what has taken the place of the element that had it: the one of its name, or else the one at
// its place. Where nothing is left the view has it, since a page without focus sends whoever uses the keyboard back to its top.
export function keepingFocus(target, change) {
  const before = document.activeElement;
  const held = before !== target && target.contains(before);
  const place = held ? [...target.querySelectorAll(REACHABLE)].indexOf(before) : -1;
  change();
  if (!held || target.contains(document.activeElement)) return;
  const now = [...target.querySelectorAll(REACHABLE)];
  const next = now.find((element) => isLike(element, before)) ?? now[Math.min(Math.max(place, 0), now.length - 1)];
  (next ?? byId("view")).focus({ preventScroll: true });
}

// An element that has come in the place of one that is not there any more, by its name.
export function successor(element) {
  return [...byId("board").querySelectorAll(REACHABLE)].find((other) => isLike(other, element)) ?? byId("view");
}

// Brings the children of `list` in line with `items`; an element stays the same one, with its focus, while its key is there.
export function sync(list, items, keyOf, make, update) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  const wanted = items.map((item) => {
    const key = String(keyOf(item));
    const child = old.get(key) ?? make(item);
    child.dataset.key = key;
    update(child, item);
    return child;
  });
  keepingFocus(list, () => {
    for (const child of [...list.children]) if (!wanted.includes(child)) child.remove();
    wanted.forEach((child, place) => {
      if (list.children[place] !== child) list.insertBefore(child, list.children[place] ?? null);
    });
  });
}

// A text of the service's, with what stands in backticks as code.
export function coded(text) {
  return text.split("`").map((part, place) => (place % 2 ? el("code", {}, part) : part));
}

// A button that puts a text into the clipboard, and says so.
export function copy(text, label = "Copy") {
  const button = el("button", { type: "button", class: "small", "aria-label": `${label}: ${text}` }, label);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text).then(
      () => say(button, "Copied"),
      () => say(button, "Not allowed"),
    );
    setTimeout(() => say(button, label), 1500);
  });
  return button;
}
