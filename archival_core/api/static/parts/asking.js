// While a question is on its way: how long it takes so far, a way to leave it, and what was wrong with it.

import { say } from "../core/dom.js";
import * as show from "../core/format.js";
import { refused } from "./answer.js";

// `mine` are the elements of the view that asked, which may have been left meanwhile; `work` answers with what there is to say.
export async function busy(mine, what, work) {
  mine.asking = new AbortController();
  mine.stop.hidden = false;
  mine.go.disabled = true;
  mine.problem.replaceChildren();
  const began = Date.now();
  const clock = setInterval(() => say(mine.told, `${what} ${show.duration((Date.now() - began) / 1000)}`), 1000);
  say(mine.told, what);
  try {
    say(mine.told, (await work(mine.asking.signal)) ?? "");
  } catch (error) {
    say(mine.told, "");
    mine.problem.replaceChildren(refused(error));
  } finally {
    clearInterval(clock);
    mine.asking = null;
    mine.stop.hidden = true;
    mine.go.disabled = false;
  }
}
