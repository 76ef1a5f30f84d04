// Requests to the service, with the token of this tab: kept in its sessionStorage, sent in a header, never in an address.

const KEY = "missionops.token";

/** A number that JSON.parse alone might round. */
const LARGE_INTEGER = /[[:,\s]-?\d{16,}[,}\]\s]|^-?\d{16,}$/;

/** @typedef {{name: string | null, role: "reader" | "operator" | "admin", spacecraft: string[] | null,
 *             auth: string, version: string, at: string}} Access */

/** @typedef {{path: string, message: string}} Detail */

/** The service refuses a request, or cannot be reached (status 0). */
export class RequestError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {Detail[]} [details] each fault of the request, with its path
   */
  constructor(status, message, details = []) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

/** Refuses to act on what is old. */
export function assertLinked() {
  if (document.body.classList.contains("lost")) {
    throw new RequestError(
      0,
      "The link to the service is lost, and what is shown is old: nothing was done. Do it again when the page is live.",
    );
  }
}

/** @type {Access | null} */
let known = null;

/** Who this tab is; null until the service has said so. */
export const access = () => known;

/** @param {Access | null} found */
export function setAccess(found) {
  known = found;
}

/** @param {"operator" | "admin"} role */
export function may(role) {
  const order = ["reader", "operator", "admin"];
  return known !== null && order.indexOf(known.role) >= order.indexOf(role);
}

/** @param {string | null} given */
export function setToken(given) {
  if (given) sessionStorage.setItem(KEY, given);
  else sessionStorage.removeItem(KEY);
}

/** The token of this tab; null where it has none. */
export const token = () => sessionStorage.getItem(KEY);

/** @returns {Record<string, string>} */
export function authorization() {
  const own = token();
  return own ? { Authorization: `Bearer ${own}` } : {};
}

/**
 * @param {string} path
 * @param {Record<string, any>} [query] what is null, undefined or empty is left out
 * @param {AbortSignal} [signal]
 * @returns {Promise<{data: any, cursor: string | null, handledAt: string | null}>} `handledAt`: up to which time of the stream telemetry is in it
 */
export function get(path, query = {}, signal) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return ask(text ? `${path}?${text}` : path, { signal });
}

/**
 * @param {string} path
 * @param {any} body
 */
export function post(path, body) {
  return ask(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
}

/**
 * A request whose body is a document as it is written.
 * @param {"POST" | "PUT"} method
 * @param {string} path with its query
 * @param {string} text JSON
 * @param {{headers?: Record<string, string>, signal?: AbortSignal}} [options] headers: any text
 */
export function send(method, path, text, { headers = {}, signal } = {}) {
  // A header holds bytes: those of UTF-8, each as a character.
  const bytes = Object.entries(headers).map(([name, value]) => [name, String.fromCharCode(...new TextEncoder().encode(value))]);
  return ask(path, { method, body: text, signal, headers: { "Content-Type": "application/json", ...Object.fromEntries(bytes) } });
}

/**
 * @param {string} address
 * @param {RequestInit} options
 */
async function ask(address, options) {
  const headers = { ...authorization(), .../** @type {Record<string, string>} */ (options.headers ?? {}) };
  let response;
  try {
    response = await fetch(address, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    throw new RequestError(0, "The service cannot be reached.");
  }
  const text = await response.text();
  if (!response.ok && !address.startsWith("/health/")) throw refusal(response.status, text);
  const { headers: answered } = response;
  return { data: parsed(text), cursor: answered.get("Missionops-Next-Cursor"), handledAt: answered.get("Missionops-Handled-At") };
}

/**
 * @param {number} status
 * @param {string} text
 */
function refusal(status, text) {
  try {
    const { message, details } = JSON.parse(text).error;
    return new RequestError(status, message, details ?? []);
  } catch {
    return new RequestError(status, "The service answers in a way that this page does not understand.");
  }
}

/**
 * JSON with every integer exact: those that no number of JavaScript holds become a BigInt.
 * @param {string} text
 */
export function parsed(text) {
  if (!LARGE_INTEGER.test(text)) return JSON.parse(text); // ten times as fast: an answer may have megabytes
  const revive = (/** @type {string} */ _, /** @type {any} */ value, /** @type {any} */ context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context.source) : value;
  return JSON.parse(text, /** @type {any} */ (revive));
}

/**
 * JSON of a value that `parsed` returned, with every integer exact.
 * @param {any} value
 * @param {number} [indent]
 * @returns {string}
 */
export function written(value, indent) {
  const { rawJSON } = /** @type {any} */ (JSON);
  return JSON.stringify(value, (_, each) => (typeof each === "bigint" ? rawJSON(String(each)) : each), indent);
}
