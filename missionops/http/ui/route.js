// Where we are: a page and its settings, all in the fragment of the address, so that a link is the whole view.

/** @typedef {{path: string[], query: URLSearchParams}} Route */

/** @returns {Route} */
export function current() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

/** Whether this is a wall display: the address says so, before or within its fragment. */
export const isKiosk = () => current().query.has("kiosk") || new URLSearchParams(location.search).has("kiosk");

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * @param {string[]} path
 * @param {Record<string, any>} [query] what is null, undefined or empty is left out
 */
export function link(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const kept = current().query.has("kiosk") && !query.kiosk ? [["kiosk", "1"]] : [];
  const text = new URLSearchParams([...given.map(([name, value]) => [name, String(value)]), ...kept]).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/**
 * The same page with other settings, in place of this one: typing leaves no trail for the back button.
 * @param {Record<string, any>} changes
 */
export function change(changes) {
  const { path, query } = current();
  const address = link(path, { ...Object.fromEntries(query), ...changes });
  history.replaceState(null, "", address);
  dispatchEvent(new HashChangeEvent("hashchange"));
}
