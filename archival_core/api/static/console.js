// The console as a whole: the key, which view is shown, and fetching it again and again, so that nobody loses what they read or type.

import { forgetKey, hasKey, keepKey, KeyNeeded, mayChange, Problem, read } from "./core/api.js";
import { byId, el, say } from "./core/dom.js";
import * as show from "./core/format.js";
import { address, route } from "./core/route.js";
import { fetchOtherViews, isView, moduleOf, standsUnder } from "./core/views.js";
import { latest } from "./parts/state.js";

const EVERY = 5000;
const SLOWEST = 30000;
const QUIET = 500;

let timer = null;
let round = 0;
let failures = 0;
let last = null;
let refused = false;
let shown = null;
// Counts addresses, so that an answer to an earlier one is not shown.
let turn = 0;
// Whether a view waits for all of its data, and not for what changes quickly alone.
let owed = false;

function askForKey(reason = "") {
  forgetKey();
  refused = true;
  clearTimeout(timer);
  for (const id of ["board", "forget", "trouble", "nav"]) byId(id).hidden = true;
  byId("key").hidden = false;
  say("key-error", reason);
  byId("key-field").focus();
  state("waiting", "Waiting for the key");
}

function state(name, text) {
  byId("freshness").dataset.state = name;
  say("freshness-text", text);
}

function trouble(text) {
  byId("trouble").hidden = !text;
  say("trouble", text);
}

function reveal() {
  byId("key").hidden = true;
  for (const id of ["board", "nav"]) byId(id).hidden = false;
  byId("forget").hidden = !hasKey();
}

// A new view, or the same of something else, is made anew; filters alone leave the elements as they are.
function place({ name, params, module }) {
  const identity = `${name}?${module.identity?.(params) ?? ""}`;
  if (shown?.identity === identity) return false;
  const moved = shown !== null;
  shown = { identity, name, root: module.make(params) };
  byId("view").replaceChildren(shown.root);
  byId("board").setAttribute("aria-busy", "true");
  document.title = `${module.title(params)} · archival_service`;
  for (const link of byId("nav").querySelectorAll("a")) {
    const here = link.dataset.view === standsUnder(name);
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (moved) {
    scrollTo(0, 0);
    byId("view").focus({ preventScroll: true });
  }
  return true;
}

// What every view shows: whether it is paused, and who is away.
function everywhere(found) {
  const down = Object.entries(found.dependencies ?? {}).filter(([, { state: is }]) => is !== "ok");
  const lines = down.map(([name, { cause, since }]) => `${name} is away since ${show.clock(since)}: ${cause}`);
  trouble(lines.length ? `${lines.join(". ")}. The service asks again by itself.` : "");
  byId("paused").hidden = !found.intake?.paused;
  say("paused", found.intake?.paused ? `Paused${found.intake.changed_by ? ` by ${found.intake.changed_by}` : ""}` : "");
  for (const [id, number] of [["nav-dead", found.stream?.dead], ["nav-failed", found.failures?.reduce((sum, { jobs: one }) => sum + one, 0)], ["nav-findings", found.numbers?.findings]]) {
    byId(id).hidden = !number;
    say(id, number ? show.count(number) : "");
  }
}

// A failure is met where the promise is awaited, which may be later than it happens.
function quietly(promise) {
  promise?.catch(() => {});
  return promise;
}

// Asked once: a key does not change what it may.
let allowed = null;

async function lookWhatIsAllowed() {
  allowed ??= await mayChange().catch(() => null);
  document.documentElement.dataset.may = allowed === null ? "unknown" : allowed ? "change" : "look";
  byId("looks").hidden = allowed !== false;
}

async function refresh(full = false) {
  clearTimeout(timer);
  if (refused) return;
  const now = ++turn;
  const { name, params } = route();
  let wait = EVERY;
  if (!isView(name)) return missing("There is no such page.");
  try {
    // what every view shows, the view's script and the view's own data are asked for at once
    const asked = quietly(read("dashboard/overview"));
    const may = allowed === null ? lookWhatIsAllowed() : null;
    if (name !== shown?.name) byId("board").setAttribute("aria-busy", "true");
    const module = await moduleOf(name);
    if (now !== turn) return;
    // built before its data come, so that a new view shows at once
    const fresh = place({ name, params, module });
    if (!last) byId("board").hidden = !hasKey() && round === 0;
    owed ||= full || fresh || round % (module.every ?? 1) === 0;
    const own = quietly(module.load?.(params, owed));
    const told = await asked;
    const common = { ...told, intake: latest(told.intake) };
    await may;
    if (now !== turn) return;
    reveal();
    everywhere(common);
    const data = await own;
    if (now !== turn) return;
    module.update(shown.root, data, params, common);
    shown.told = true;
    byId("board").dataset.address = location.hash;
    owed = false;
    byId("board").setAttribute("aria-busy", "false");
    if (round === 0) setTimeout(fetchOtherViews, QUIET);
    round += 1;
    failures = 0;
    last = Date.now();
    state("fresh", `Updated ${show.clock(last)}`);
  } catch (error) {
    if (now !== turn) return;
    if (error instanceof KeyNeeded) return askForKey("This key is not accepted.");
    if (error instanceof Problem && [404, 422].includes(error.status)) missing(`${error.message}.`);
    else {
      failures += 1;
      wait = Math.min(EVERY * 2 ** (failures - 1), SLOWEST);
      reveal();
      // a view that has never had its figures would look as if they were on their way
      byId("board").hidden = !shown?.told;
      const seen = last ? ` What you see is from ${show.clock(last)}.` : "";
      trouble(`Cannot refresh: ${error.message}.${seen} Trying again in ${show.duration(wait / 1000)}.`);
      state("stale", last ? `Not updated since ${show.clock(last)}` : "No figures yet");
    }
  }
  if (now === turn && !document.hidden) timer = setTimeout(refresh, wait);
}

function missing(text) {
  reveal();
  byId("view").replaceChildren(el("h1", {}, "Not there"), el("p", {}, text), el("p", {}, el("a", { href: address("") }, "To the overview")));
  byId("board").dataset.address = location.hash;
  byId("board").setAttribute("aria-busy", "false");
  shown = null;
}

byId("key").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(byId("key-field").value.trim());
  allowed = null;
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

byId("skip").addEventListener("click", (event) => {
  // the part of the address behind # says which view is shown
  event.preventDefault();
  byId("view").focus();
});

addEventListener("hashchange", () => refresh(true));
document.addEventListener("changed", () => refresh(true));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !refused) refresh();
});

if (hasKey()) refresh(true);
else askForKey();
