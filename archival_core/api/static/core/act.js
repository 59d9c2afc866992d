// Actions: a dialog that says what would happen before it happens, and asks for a word where rows move.

import { byId, el, say, successor } from "./dom.js";

let current = null;

// What a preview throws while something is still to be filled in.
export class Wanted extends Error {}

// A button of something that changes; whoever has a key that may only look sees none.
export function act(label, onclick, attributes = {}) {
  const { class: kind, ...others } = attributes;
  return el("button", { type: "button", class: ["acts", kind].filter(Boolean).join(" "), onclick, ...others }, label);
}

// `preview` answers with elements or a text, `run` with what was done. `word` has to be typed; `reason` is `required` or `optional`.
export function ask({ title, text, preview, word, reason, label, danger = false, run, fields = [] }) {
  const dialog = byId("dialog");
  const wish = { open: true };
  const opener = document.activeElement;
  current = wish;
  const outcome = el("p", { class: "outcome", role: "status" });
  const seen = el("div", { class: "preview", "aria-live": "polite" });
  const go = el("button", { type: "submit", class: danger ? "strong danger" : "strong" }, label);
  const cancel = el("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const typed = word ? el("input", { id: "dialog-word", autocomplete: "off", spellcheck: "false" }) : null;
  const why = reason ? el("input", { id: "dialog-reason", autocomplete: "off", maxlength: "1000" }) : null;
  let ready = !preview;
  let busy = false;
  const allowed = () => {
    go.disabled = busy || !ready || (word && typed.value.trim() !== word) || (reason === "required" && !why.value.trim());
  };
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "dialog-title" }, title),
    text ? el("p", {}, text) : null,
    ...fields,
    seen,
    reason ? el("label", { for: "dialog-reason" }, reason === "required" ? "Why" : "Why (for those who come after you)") : null,
    why,
    word ? el("label", { for: "dialog-word" }, "Type ", el("strong", {}, word), " to go on") : null,
    typed,
    outcome,
    el("div", { class: "row end" }, cancel, go),
  );
  form.addEventListener("input", allowed);
  const look = async () => {
    ready = false;
    allowed();
    say(outcome, "");
    if (preview) {
      seen.replaceChildren(el("p", { class: "muted" }, "Looking what would happen …"));
      try {
        const found = await preview();
        if (current !== wish) return;
        seen.replaceChildren(...[found].flat());
        ready = true;
      } catch (error) {
        if (current !== wish) return;
        seen.replaceChildren(error instanceof Wanted ? el("p", { class: "muted" }, error.message) : el("p", { class: "bad" }, `Not possible: ${error.message}`));
      }
    } else ready = true;
    allowed();
  };
  fields.forEach((field) => field.addEventListener("change", look));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go.disabled) return;
    busy = true;
    allowed();
    say(outcome, "Working …");
    try {
      const done = await run({ reason: why?.value.trim() || null, told: (what) => say(outcome, what) });
      dialog.close();
      tell(done);
      document.dispatchEvent(new Event("changed"));
    } catch (error) {
      say(outcome, `Not done: ${error.message}`);
      busy = false;
      allowed();
    }
  });
  dialog.replaceChildren(form);
  dialog.addEventListener("close", () => {
    if (current === wish) current = null;
    // the browser gives the focus back, if the element that had it is still there: what is shown may have changed meanwhile
    if (!opener.isConnected) successor(opener).focus({ preventScroll: true });
  }, { once: true });
  allowed();
  dialog.showModal();
  look();
}

let hiding = null;

// What was done, for a while, at the foot of the page.
export function tell(text) {
  const toast = byId("toast");
  say(toast, text);
  toast.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { toast.hidden = true; }, 8000);
}

export function passed({ done, passed: left }, what) {
  const others = Object.entries(left).map(([code, number]) => `${number} left alone (${code})`);
  return [`${done} ${what}`, ...others].join("; ");
}
