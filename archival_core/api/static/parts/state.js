// What every view may say of the service as a whole: who answers, what is not known and why, and whether the intake is paused.

import { act, ask } from "../core/act.js";
import { post } from "../core/api.js";
import { el, say, sync } from "../core/dom.js";
import * as show from "../core/format.js";

const NAMES = { source: "Source database", ledger: "Ledger", redis: "Redis", queue: "Storage queue", lake: "Data lake" };

// Why a source of figures says nothing; what is shown of it is from before.
export function unknown(away, name) {
  const found = away.find((source) => source.name === name);
  return found?.cause ? `unknown: ${found.cause}` : "unknown";
}

// Hypertables that are behind their policies for more than a day, or for longer than a date tells.
export const lateOf = (behind) => (behind ?? []).filter(({ days }) => days === null || days > 1);

export function dependencies(list, { dependencies: known, away }) {
  const make = () => el("li", {}, el("span", { class: "mark", "aria-hidden": "true" }), el("span", { class: "who" }), el("span", { class: "how" }), el("p", { class: "cause" }));
  const found = known ? Object.entries(known) : [["all", { state: "unknown", cause: unknown(away, "dependencies"), since: null }]];
  sync(list, found, ([name]) => name, make, (item, [name, { state, cause, since }]) => {
    item.dataset.state = state;
    say(item.children[0], state === "ok" ? "●" : "▲");
    say(item.children[1], NAMES[name] ?? "Dependencies");
    say(item.children[2], state === "ok" ? "answers" : state === "unknown" ? "unknown" : `away since ${show.clock(since)}`);
    say(item.children[3], cause ? `${cause}. It is asked again by itself.` : "");
  });
}

// What somebody has decided here: the service's answers are some seconds old, and would show the intake as it was before.
let decided = null;

export const latest = (intake) => (intake && decided && new Date(decided.changed_at) > new Date(intake.changed_at) ? decided : intake);

// One button for both, which keeps the focus when the one becomes the other.
export function pauseButton() {
  const button = act("Pause the intake", () => (button.dataset.paused ? resume() : pause()), { hidden: true });
  return {
    root: button,
    update(intake) {
      button.hidden = !intake;
      if (intake?.paused) button.dataset.paused = "yes";
      else delete button.dataset.paused;
      button.classList.toggle("strong", Boolean(intake?.paused));
      say(button, intake?.paused ? "Resume" : "Pause the intake");
    },
  };
}

function pause() {
  ask({
    title: "Pause the intake",
    text: "No event is taken and no policy asks for archives until somebody resumes. Events wait in their stream. Other work is not stopped: jobs that are queued go on, what people ask for by name is done, and archived chunks still leave the database when they are due.",
    reason: "optional",
    label: "Pause",
    run: async ({ reason }) => {
      decided = await post("intake/pause", reason ? { reason } : {});
      return "The intake is paused.";
    },
  });
}

function resume() {
  ask({
    title: "Resume",
    text: "Events are taken again, and policies ask for archives.",
    label: "Resume",
    run: async () => {
      decided = await post("intake/resume");
      return "The intake goes on.";
    },
  });
}
