// The views, by their names in the address.

// A view is fetched when it is first looked at, or in a quiet moment before.
const VIEWS = {
  "": () => import("../views/overview.js"),
  hypertables: () => import("../views/hypertables.js"),
  hypertable: () => import("../views/hypertable.js"),
  chunk: () => import("../views/chunk.js"),
  chunks: () => import("../views/chunks.js"),
  jobs: () => import("../views/jobs.js"),
  job: () => import("../views/job.js"),
  "dead-letters": () => import("../views/letters.js"),
  verification: () => import("../views/verification.js"),
  query: () => import("../views/query.js"),
  errors: () => import("../views/errors.js"),
  audit: () => import("../views/audit.js"),
};
// Under which entry of the navigation a view stands.
const UNDER = { hypertable: "hypertables", chunk: "hypertables", chunks: "hypertables", job: "jobs" };

export const isView = (name) => Object.hasOwn(VIEWS, name);
export const standsUnder = (name) => UNDER[name] ?? name;

export async function moduleOf(name) {
  try {
    return await VIEWS[name]();
  } catch {
    throw new Error("the service does not answer. Load the page anew once it does");
  }
}

export function fetchOtherViews() {
  for (const open of Object.values(VIEWS)) open().catch(() => {});
}
