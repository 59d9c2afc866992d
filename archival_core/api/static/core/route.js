// What is shown stands in the address, behind the `#`: a view's name, and its filters as parameters.

export function route() {
  const [name, text = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const params = {};
  for (const [key, value] of new URLSearchParams(text)) {
    params[key] = key in params ? [params[key], value].flat() : value;
  }
  return { name: decodeURIComponent(name), params };
}

export function address(name, params = {}) {
  const found = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    for (const one of [value].flat()) if (one !== undefined && one !== null && one !== "") found.append(key, one);
  }
  const text = found.toString();
  return `#/${name}${text ? `?${text}` : ""}`;
}

// Changes parameters of what is shown; the page before stays in the browser's history.
export function set(changes) {
  const { name, params } = route();
  location.hash = address(name, { ...params, ...changes });
}
