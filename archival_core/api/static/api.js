// The service's own API. The function key lives in this tab's session storage and goes out in a header, never in an address.

const ROOT = new URL("../../", import.meta.url);
const KEPT = "archival-service-key";

export class KeyNeeded extends Error {}

export function keepKey(key) {
  sessionStorage.setItem(KEPT, key);
}

export function forgetKey() {
  sessionStorage.removeItem(KEPT);
}

export function hasKey() {
  return sessionStorage.getItem(KEPT) !== null;
}

async function call(path, options = {}) {
  const key = sessionStorage.getItem(KEPT);
  const headers = { Accept: "application/json", ...(key ? { "x-functions-key": key } : {}) };
  let answer;
  try {
    answer = await fetch(new URL(path, ROOT), { ...options, headers, cache: "no-store", signal: AbortSignal.timeout(30000) });
  } catch {
    throw new Error("the service does not answer");
  }
  if (answer.status === 401 || answer.status === 403) throw new KeyNeeded("the key is not accepted");
  if (!answer.ok) {
    // a problem detail says what is wrong; anything else came from before the service
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail ?? `the service answers ${answer.status}`);
  }
  return answer.json();
}

export function read(view) {
  return call(`dashboard/${view}`);
}

export function retry(jobId) {
  return call(`jobs/${encodeURIComponent(jobId)}/retry`, { method: "POST" });
}
