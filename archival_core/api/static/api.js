// The service's own API. The function key lives in this tab's session storage and goes out in a header, never in an address.

const ROOT = new URL("../../", import.meta.url);
const KEPT = "archival-service-key";

// What was answered last, in this tab's memory alone: what has not changed since is not sent again.
const known = new Map();
const KEPT_ANSWERS = 20;

export class KeyNeeded extends Error {}

export function keepKey(key) {
  sessionStorage.setItem(KEPT, key);
}

export function forgetKey() {
  sessionStorage.removeItem(KEPT);
  known.clear();
}

export function hasKey() {
  return sessionStorage.getItem(KEPT) !== null;
}

async function call(path, options = {}) {
  const key = sessionStorage.getItem(KEPT);
  const headers = { Accept: "application/json", ...(key ? { "x-functions-key": key } : {}) };
  const before = options.method ? undefined : known.get(path);
  if (before) headers["If-None-Match"] = before.tag;
  let answer;
  try {
    answer = await fetch(new URL(path, ROOT), { ...options, headers, cache: "no-store", signal: AbortSignal.timeout(30000) });
  } catch {
    throw new Error("the service does not answer");
  }
  if (answer.status === 401 || answer.status === 403) throw new KeyNeeded("the key is not accepted");
  if (answer.status === 304) return before.content;
  if (!answer.ok) {
    // a problem detail says what is wrong; anything else came from before the service
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail ?? `the service answers ${answer.status}`);
  }
  const content = await answer.json();
  const tag = answer.headers.get("ETag");
  if (tag && !options.method) {
    known.delete(path);
    known.set(path, { tag, content });
    if (known.size > KEPT_ANSWERS) known.delete(known.keys().next().value);
  }
  return content;
}

export function read(view) {
  return call(`dashboard/${view}`);
}

export function retry(jobId) {
  return call(`jobs/${encodeURIComponent(jobId)}/retry`, { method: "POST" });
}
