// Times that people type, and ranges between two of them. A time is milliseconds since 1970, with a fraction.

/** @typedef {{from: number, to: number, last: number | null}} Range `last`: it follows the present, so many milliseconds long */

/** @type {Record<string, number>} */
const UNITS = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 };
const EARLIEST = Date.UTC(1900, 0, 1);
const LATEST = Date.UTC(2199, 11, 31, 23, 59, 59);
/** All that can be stored. */
export const EVER = { from: EARLIEST, to: LATEST };
const FORM = "Type a time as 2026-11-25T10:00:00Z, 2026-329T10:00:00Z, -2h or now.";

/**
 * The time that a text stands for, in UTC unless it says otherwise; a sentence where it stands for none.
 * @param {string} text
 * @param {number} now
 * @returns {number | string}
 */
export function time(text, now) {
  const typed = text.trim();
  const relative = /^(?:now)?\s*(?:([+-])\s*(\S+))?$/i.exec(typed);
  if (relative && typed) {
    const length = relative[2] ? duration(relative[2]) : 0;
    return length === null
      ? `${relative[2]} is no length of time: type 90s, 30m, 2h, 7d, 2w or 1y.`
      : now + (relative[1] === "-" ? -length : length);
  }
  const found =
    /^(\d{4})-(?:(\d{3})|(\d\d)-(\d\d))(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)?)?\s*(?:(Z|UTC)|([+-])(\d\d):?(\d\d))?$/i.exec(
      typed,
    );
  if (!found) return FORM;
  const [year, month, day] = found[2] ? [Number(found[1]), 1, Number(found[2])] : [found[1], found[3], found[4]].map(Number);
  const [hour, minute, second] = found.slice(5, 8).map((part) => Number(part ?? 0));
  const whole = Date.UTC(year, month - 1, day);
  const date = new Date(whole);
  const isDay = found[2] ? day >= 1 && date.getUTCFullYear() === year : date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!isDay) return found[2] ? `${year} has no day ${found[2]}.` : `${found[1]}-${found[3]}-${found[4]} is no day.`;
  if (hour > 23 || minute > 59 || second > 59) return "A time of day ends at 23:59:59.";
  const zone = found[10] ? (Number(found[11]) * 60 + Number(found[12])) * (found[10] === "-" ? -1 : 1) : 0;
  const at = whole + ((hour * 60 + minute - zone) * 60 + second) * 1000 + Number(`0.${(found[8] ?? "0").slice(0, 6)}`) * 1000;
  return at < EARLIEST || at > LATEST ? "Times are kept from 1900 to 2199." : at;
}

/**
 * Milliseconds of `2h`, `90s` or `1d12h`; null where it is no length.
 * @param {string} text
 */
export function duration(text) {
  if (!/^(\d+(\.\d+)?(ms|min|[smhdwy]))+$/i.test(text)) return null;
  return [...text.toLowerCase().matchAll(/(\d+(?:\.\d+)?)(ms|min|[smhdwy])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * UNITS[unit],
    0,
  );
}

/**
 * A length as it is typed, in as few parts as hold it.
 * @param {number} length
 */
export function durationText(length) {
  const parts = [];
  let left = Math.max(1, Math.round(length));
  for (const unit of ["d", "h", "m", "s", "ms"]) {
    const count = Math.floor(left / UNITS[unit]);
    if (count > 0) parts.push(`${count}${unit}`);
    left -= count * UNITS[unit];
  }
  return parts.join("");
}

/**
 * RFC 3339 to the microsecond, without digits that say nothing.
 * @param {number} at
 */
export function iso(at) {
  let whole = Math.floor(at);
  let micros = Math.round((at - whole) * 1000);
  if (micros === 1000) [whole, micros] = [whole + 1, 0];
  const text = new Date(whole).toISOString().slice(0, -1) + String(micros).padStart(3, "0");
  return `${text.replace(/0+$/, "").replace(/\.$/, "")}Z`;
}

/**
 * The range that a link names; what it does not understand is as if it were not there.
 * @param {URLSearchParams} query
 * @param {number} now
 * @returns {Range}
 */
export function rangeOf(query, now) {
  const from = time(query.get("from") ?? "", now);
  const to = time(query.get("to") ?? "now", now);
  if (typeof from === "number" && typeof to === "number" && from < to) return { from, to, last: null };
  const last = duration(query.get("last") ?? "") ?? UNITS.h;
  return { from: now - last, to: now, last };
}

/**
 * A range as a link names it.
 * @param {Range} range
 */
export const named = ({ from, to, last }) =>
  last === null ? { from: iso(from), to: iso(to), last: null } : { from: null, to: null, last: durationText(last) };
