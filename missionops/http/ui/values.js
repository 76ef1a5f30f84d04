// Values as people read them: exact, as they were sent.

/**
 * A value as text: every digit of an integer, `46` and not `46.0`, never NaN.
 * @param {number | bigint | string | boolean | null | undefined} value
 */
export const plain = (value) => (value === null || value === undefined ? "no value" : String(value));

/**
 * A number in few characters, for axes and labels.
 * @param {number} value
 */
export function short(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4))
    return value
      .toExponential(3)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e");
  return String(Number(value.toPrecision(7)));
}

/** The limits of a rule with their names for people, from the lowest to the highest. @type {[string, string][]} */
export const LIMIT_NAMES = [
  ["severeLow", "Severe low"],
  ["critLow", "Critical low"],
  ["warnLow", "Warning low"],
  ["watchLow", "Watch low"],
  ["watchHigh", "Watch high"],
  ["warnHigh", "Warning high"],
  ["critHigh", "Critical high"],
  ["severeHigh", "Severe high"],
];
export const LIMITS = LIMIT_NAMES.map(([name]) => name);

/**
 * The limits that are there, in order.
 * @param {Record<string, any> | null} limits
 * @returns {{name: string, value: number, text: string, isHigh: boolean, level: string}[]}
 */
export function given(limits) {
  return LIMITS.filter((name) => limits !== null && limits[name] !== undefined && limits[name] !== null).map((name) => ({
    name,
    value: Number(/** @type {any} */ (limits)[name]),
    text: plain(/** @type {any} */ (limits)[name]),
    isHigh: name.endsWith("High"),
    level: name.replace(/Low|High/, ""),
  }));
}

/**
 * On which side a limit was broken: an arrow, or nothing where it has no side.
 * @param {{name: string} | null} limit
 */
export const arrow = (limit) => (limit?.name.endsWith("Low") ? "↓" : limit?.name.endsWith("High") ? "↑" : "");

/**
 * A parameter's list as the service's queries and the links of the page have it: a comma in a name is escaped.
 * @param {string[]} names
 */
export const listed = (names) => names.map((name) => name.replace(/[\\,]/g, "\\$&")).join(",");

/** @param {string} text */
export const unlisted = (text) =>
  text === "" ? [] : [...`${text},`.matchAll(/((?:\\[\\,]|[^,])*),/g)].map((found) => found[1].replace(/\\([\\,])/g, "$1"));
