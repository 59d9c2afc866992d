// The service's own API. The function key lives in this tab's session storage and goes out in a header, never in an address.

const ROOT = new URL("../../../../", import.meta.url);
const KEPT = "archival-service-key";

// What was answered last, in this tab's memory alone: what has not changed since is not sent again.
const known = new Map();
const KEPT_ANSWERS = 20;

export class KeyNeeded extends Error {}

// A problem detail of the service: `code` says which, `detail` is for people.
export class Problem extends Error {
  constructor(status, { code, detail, errors }) {
    super(errors ? errors.map(({ field, reason }) => `${field.replace(/^body\./, "")}: ${reason}`).join("; ") : detail ?? `the service answers ${status}`);
    this.status = status;
    this.code = code;
  }
}

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

// The answer, where it is one; raises `KeyNeeded` where the key does not do for a look, else why there is none.
async function send(path, { patience, ...options } = {}) {
  const key = sessionStorage.getItem(KEPT);
  const reads = !options.method;
  // a change may take its time; a look that takes longer than this will not come
  const ends = AbortSignal.timeout(patience ?? (reads ? 20000 : 60000));
  const signal = options.signal ? AbortSignal.any([ends, options.signal]) : ends;
  let answer;
  try {
    answer = await fetch(new URL(path, ROOT), { ...options, headers: { Accept: "application/json", ...options.headers, ...(key ? { "x-functions-key": key } : {}) }, cache: "no-store", signal });
  } catch {
    throw new Error(options.signal?.aborted ? "called off" : "the service does not answer");
  }
  if (answer.ok || answer.status === 304) return answer;
  // a problem detail says what is wrong; anything else came from before the service
  const problem = await answer.json().catch(() => ({}));
  if ([401, 403].includes(answer.status) && !problem.code) {
    if (reads) throw new KeyNeeded("the key is not accepted");
    throw new Error("this key may only look: ask somebody with an operator's key");
  }
  throw new Problem(answer.status, problem);
}

async function call(path, options = {}) {
  const reads = !options.method;
  const before = reads ? known.get(path) : undefined;
  const answer = await send(path, before ? { ...options, headers: { "If-None-Match": before.tag } } : options);
  if (answer.status === 304) return before.content;
  if (answer.status === 204) return null;
  const content = await answer.json();
  const tag = answer.headers.get("ETag");
  if (tag && reads) {
    known.delete(path);
    known.set(path, { tag, content });
    if (known.size > KEPT_ANSWERS) known.delete(known.keys().next().value);
  }
  return content;
}

// Whether this key may change anything: the host asks changes and OPTIONS for the same keys, and OPTIONS does nothing.
export async function mayChange() {
  const key = sessionStorage.getItem(KEPT);
  const { status } = await fetch(new URL("jobs", ROOT), { method: "OPTIONS", headers: key ? { "x-functions-key": key } : {}, cache: "no-store", signal: AbortSignal.timeout(20000) });
  return ![401, 403].includes(status);
}

export function query(values) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined && one !== "") found.append(name, one);
  }
  const text = found.toString();
  return text ? `?${text}` : "";
}

export function read(path, values = {}) {
  return call(`${path}${query(values)}`);
}

export function change(method, path, body) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  return call(path, { method, ...sent });
}

export function post(path, body) {
  return change("POST", path, body);
}

// A request about many: one call does a part, and this goes on to the end. `told` hears how many are done by now.
export async function postAll(path, body, told = () => {}) {
  let done = 0;
  const passed = {};
  let cursor;
  do {
    const answer = await post(path, cursor ? { ...body, cursor } : body);
    done += answer.done;
    for (const [code, number] of Object.entries(answer.passed)) passed[code] = (passed[code] ?? 0) + number;
    cursor = answer.next;
    told(done, answer.left);
  } while (cursor);
  return { done, passed };
}

// Asks for rows. Whoever waits no more calls the question off by its id, as far as the instance that answers it hears of it; the
// service ends a question by itself, long before this gives up.
export function question(body, { accept, signal } = {}) {
  const headers = { "content-type": "application/json", ...(accept ? { Accept: accept } : {}) };
  const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, "0")).join("");
  signal?.addEventListener("abort", () => send(`queries/${id}`, { method: "DELETE" }).catch(() => {}), { once: true });
  return send("queries", { method: "POST", body: JSON.stringify({ ...body, id }), headers, signal, patience: 600000 });
}
