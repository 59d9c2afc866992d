// Fetches the figures again and again, and says when it last could.

import { forgetKey, hasKey, keepKey, KeyNeeded, read } from "./api.js";
import * as chart from "./chart.js";
import * as chunks from "./chunks.js";
import { byId, say } from "./dom.js";
import * as show from "./format.js";
import { figures, lead } from "./lead.js";
import * as lists from "./lists.js";

const EVERY = 5000;
const SLOWEST = 60000;
// The charts change less, and cost the service more.
const CHARTS_EVERY = 3;

let timer = null;
let round = 0;
let failures = 0;
let last = null;
let refused = false;
let busy = false;
// asked for while another round was under way
let wanted = false;

function span() {
  return byId("span").querySelector("input:checked").value;
}

async function overview() {
  const found = await read("overview");
  lead(found);
  figures(found);
  lists.running(found.running);
  lists.failed(found.failed, () => refresh(true));
  lists.dead(found.dead_letters, found.stream?.dead);
  lists.health(found.dependencies);
  lists.intake(found);
}

async function charts() {
  const [days, tables] = await Promise.all([read(`timeline?days=${span()}`), read("hypertables")]);
  chart.timeline(days.days);
  chunks.hypertables(tables.hypertables);
}

function reveal() {
  byId("key").hidden = true;
  byId("board").hidden = false;
  byId("forget").hidden = !hasKey();
}

function askForKey(reason = "") {
  forgetKey();
  refused = true;
  byId("board").hidden = true;
  byId("forget").hidden = true;
  byId("trouble").hidden = true;
  byId("key").hidden = false;
  say("key-error", reason);
  byId("key-field").focus();
  state("waiting", "Waiting for the key");
}

function state(name, text) {
  byId("freshness").dataset.state = name;
  say("freshness-text", text);
}

function freshness() {
  if (refused) return;
  if (failures) state("stale", last ? `Not updated since ${show.clock(last)}` : "No figures yet");
  else if (last) state("fresh", `Updated ${show.clock(last)}`);
}

function trouble(text) {
  const banner = byId("trouble");
  banner.hidden = !text;
  say(banner, text);
}

async function refresh(everything = false) {
  if (busy) {
    wanted ||= everything;
    return;
  }
  busy = true;
  wanted = false;
  clearTimeout(timer);
  const due = everything || round % CHARTS_EVERY === 0;
  let wait = EVERY;
  try {
    await overview();
    reveal();
    if (due) await charts();
    round += 1;
    failures = 0;
    last = Date.now();
    trouble("");
    byId("board").setAttribute("aria-busy", "false");
  } catch (error) {
    if (error instanceof KeyNeeded) return askForKey("This key is not accepted.");
    failures += 1;
    wait = Math.min(EVERY * 2 ** failures, SLOWEST);
    const seen = last ? ` What you see is from ${show.clock(last)}.` : "";
    trouble(`Cannot refresh: ${error.message}.${seen} Trying again in ${show.duration(wait / 1000)}.`);
    if (last) reveal();
  } finally {
    busy = false;
    freshness();
  }
  if (wanted) refresh(true);
  else if (!document.hidden) timer = setTimeout(refresh, wait);
}

byId("key").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(byId("key-field").value.trim());
  byId("key-field").value = "";
  refused = false;
  refresh(true);
});

byId("forget").addEventListener("click", () => {
  clearTimeout(timer);
  forgetKey();
  // what was fetched with the key goes with it
  location.reload();
});

byId("span").addEventListener("change", () => refresh(true));

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !refused) refresh();
});

chart.start();
chunks.start();
if (hasKey()) refresh(true);
else askForKey();
