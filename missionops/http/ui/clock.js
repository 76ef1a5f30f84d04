// Now is the time of the service, carried on by a clock that never steps: a console's own may be wrong by hours.

let offset = Date.now() - performance.now();

/**
 * The service has said what time it is.
 * @param {string} at
 */
export function sync(at) {
  offset = Date.parse(at) - performance.now();
}

/** Milliseconds since 1970. */
export const now = () => offset + performance.now();

/**
 * A time as people read it, in UTC.
 * @param {string | number} at
 */
export function utc(at) {
  return new Date(at).toISOString().replace("T", " ").slice(0, 19);
}

/**
 * A time as year and day of the year.
 * @param {number} at
 */
export function dayOfYear(at) {
  const date = new Date(at);
  const day = Math.floor((at - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
  return `${date.getUTCFullYear()}-${String(day).padStart(3, "0")} ${date.toISOString().slice(11, 19)}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400).toLocaleString("en")} d`;
}

/**
 * How long ago a time was; `tick` keeps it true.
 * @param {string | null} at
 */
export function age(at) {
  const found = document.createElement("time");
  if (at === null) {
    found.textContent = "never";
    return found;
  }
  found.dateTime = at;
  found.dataset.age = "";
  found.title = `${utc(at)} UTC`;
  found.textContent = ago(at);
  return found;
}

/** @param {string} at */
function ago(at) {
  const seconds = (now() - Date.parse(at)) / 1000;
  return seconds < -1 ? `in ${duration(-seconds)}` : `${duration(seconds)} ago`;
}

/** Bring every age on the page up to now. */
export function tick() {
  for (const found of document.querySelectorAll("time[data-age]")) {
    const text = ago(/** @type {HTMLTimeElement} */ (found).dateTime);
    if (found.textContent !== text) found.textContent = text;
  }
}
