// What alarms are called.

import { h } from "../dom.js";
import { iso } from "../range.js";
import { link } from "../route.js";
import { listed, plain, short } from "../values.js";

/**
 * @typedef {{timestamp: string, value: any, snapshotId: string}} Sample
 * @typedef {"LOW" | "MEDIUM" | "HIGH" | "CRITICAL"} Severity
 * @typedef {{id: string, spacecraftId: string, parameter: string | null, check: string, severity: Severity, level: Severity | null,
 *   state: string, shelved: {by: string, until: string, reason: string} | null, masked: boolean, start: string, raisedAt: string,
 *   end: string | null, foundAt: string, late: boolean, reason: string | null, mergedInto: string | null, samples: number,
 *   first: Sample | null, peak: Sample | null, last: Sample | null, limit: {name: string, value: any}, configVersion: number,
 *   description: string, unit: string | null, subsystem: string | null, guidance: string | null, documents: any[],
 *   acknowledged: {by: string, at: string, comment: string | null} | null, comments: {by: string, at: string, comment: string}[],
 *   revision: number, updatedAt: string, earlier?: number, history?: any[]}} Alarm
 */

/** @type {Record<string, string>} */
export const STATE_WORDS = {
  ACTIVE_UNACKNOWLEDGED: "Active",
  ACTIVE_ACKNOWLEDGED: "Active, acknowledged",
  RETURNED_UNACKNOWLEDGED: "Returned, not acknowledged",
  CLOSED: "Closed",
  RETRACTED: "RETRACTED",
};

/** @type {Record<string, string>} */
export const CHECK_WORDS = { LIMIT: "limit", STATE: "state", CHANGE: "change", STALE: "stale", SILENT: "silent" };

export const SEVERITIES = /** @type {const} */ (["LOW", "MEDIUM", "HIGH", "CRITICAL"]);

/** @param {string} text */
export const word = (text) => text.charAt(0) + text.slice(1).toLowerCase().replaceAll("_", " ");

/** @param {Alarm} alarm */
export const waits = (alarm) => alarm.state === "ACTIVE_UNACKNOWLEDGED" || alarm.state === "RETURNED_UNACKNOWLEDGED";

/** @param {Alarm} alarm */
export const isOver = (alarm) => alarm.state === "RETURNED_UNACKNOWLEDGED" || alarm.state === "CLOSED" || alarm.state === "RETRACTED";

/**
 * What an alarm is about, in few words.
 * @param {Alarm} alarm
 */
export const nameOf = (alarm) => `${alarm.spacecraftId} ${alarm.parameter ?? "silent"}`;

/**
 * A value, with its unit where it is a number.
 * @param {any} value
 * @param {string | null} unit
 * @param {boolean} [isShort] whether a fraction may be rounded to seven digits; an integer has all of its digits
 */
export function valueText(value, unit, isShort = false) {
  const text = isShort && typeof value === "number" && !Number.isInteger(value) ? short(value) : plain(value);
  return unit && (typeof value === "number" || typeof value === "bigint") ? `${text} ${unit}` : text;
}

/**
 * The limit that was broken: `above critHigh 70`.
 * @param {Alarm} alarm
 */
export function limitText({ check, limit }) {
  const name = limit.name;
  if (check === "SILENT" || check === "STALE") return `${name} ${plain(limit.value)} s`;
  if (check === "STATE") return `${name} ${plain(limit.value)}`;
  const side = name.endsWith("Low") ? "below " : "above ";
  return `${side}${name} ${plain(limit.value)}`;
}

/** Milliseconds around an alarm that its plot shows, at least. */
const AROUND = 600_000;
/** Of an alarm that goes on for long its first day is shown. */
const LONGEST = 86_400_000;

/**
 * The time of an alarm, and some before and after it.
 * @param {Alarm} alarm
 * @param {number} now
 */
export function around(alarm, now) {
  const start = Date.parse(alarm.start);
  const end = Math.max(start, alarm.end === null ? Math.min(now, start + LONGEST) : Date.parse(alarm.end));
  const margin = Math.max(AROUND, (end - start) / 4);
  return { from: start - margin, to: end + margin };
}

/**
 * The plot of its parameter.
 * @param {Alarm} alarm
 * @param {{from: number, to: number}} range
 */
export const plotLink = (alarm, { from, to }) =>
  link(["sc", alarm.spacecraftId, "plot"], { p: listed([alarm.parameter ?? ""]), from: iso(from), to: iso(to) });

/** @param {Alarm} alarm */
export const parameterText = (alarm) => h("span", { class: "name-text" }, alarm.parameter ?? "no telemetry");
