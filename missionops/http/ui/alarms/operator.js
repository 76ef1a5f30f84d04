// What an operator does to alarms, as requests: each says in words what was not done, and why.

import { access, assertLinked, get, post } from "../session.js";
import { nameOf, STATE_WORDS, word } from "./words.js";

/** @typedef {import("./words.js").Alarm} Alarm */

const AT_ONCE = 500;
const ATTEMPTS = 5;
/** Refused alarms that are asked for again, to say what has become of them. */
const EXPLAINED = 50;
const NAME = "missionops.name";

/** Where the service does not know who we are, people say so themselves. */
export const ownName = () => localStorage.getItem(NAME) ?? "";

/** @param {string} name */
export const setOwnName = (name) => localStorage.setItem(NAME, name);

/** @returns {{by?: string}} */
export function by() {
  return access()?.name === null && ownName() ? { by: ownName() } : {};
}

const me = () => access()?.name ?? (ownName() || "http");

/**
 * Acknowledge alarms as they were seen.
 * @param {Alarm[]} seen
 * @param {string} comment
 * @returns {Promise<{done: Alarm[], by: string[], refused: Alarm[], said: string[]}>} `by`: those that somebody else had acknowledged; `refused`: as they are now
 */
export async function acknowledge(seen, comment) {
  assertLinked();
  const known = new Map(seen.map((alarm) => [alarm.id, alarm]));
  const done = [];
  const refusals = [];
  let left = seen.map(({ id }) => id);
  for (let attempt = 0; left.length > 0 && attempt < ATTEMPTS + seen.length / AT_ONCE; attempt += 1) {
    const ids = left.slice(0, AT_ONCE);
    const revisions = Object.fromEntries(ids.map((id) => [id, known.get(id)?.revision]));
    const { data } = await post("/alarms/acknowledge", { ids, revisions, ...(comment ? { comment } : {}), ...by() });
    done.push(...data.alarms);
    const again = data.refused.filter((/** @type {any} */ one) => one.code === "unavailable");
    refusals.push(...data.refused.filter((/** @type {any} */ one) => one.code !== "unavailable"));
    left = [...again.map((/** @type {any} */ one) => one.id), ...left.slice(AT_ONCE)];
  }
  const refused = [];
  const said = left.length
    ? [`${left.length.toLocaleString("en")} were not acknowledged as the service had no time for them: do it again.`]
    : [];
  for (const [index, { id, message }] of refusals.entries()) {
    const before = known.get(id);
    const now = index < EXPLAINED ? await latest(id) : null;
    if (now) refused.push(now);
    said.push(`${before ? nameOf(before) : id}: ${before && now ? what(before, now, message) : message}`);
  }
  return {
    done,
    by: done
      .filter((/** @type {Alarm} */ one) => one.acknowledged?.by !== me())
      .map((/** @type {Alarm} */ one) => `${nameOf(one)}: ${one.acknowledged?.by} had acknowledged it already.`),
    refused,
    said,
  };
}

/**
 * @param {string} id
 * @returns {Promise<Alarm | null>}
 */
async function latest(id) {
  try {
    return (await get(`/alarms/${encodeURIComponent(id)}`)).data;
  } catch {
    return null;
  }
}

/**
 * What has become of an alarm since it was seen.
 * @param {Alarm} before
 * @param {Alarm} now
 * @param {string} message
 */
function what(before, now, message) {
  if (before.severity !== now.severity)
    return `it rose from ${word(before.severity)} to ${word(now.severity)} since you chose it. Look at it, and acknowledge it again.`;
  if (before.state !== now.state && now.state !== "CLOSED" && now.state !== "RETRACTED")
    return `it is now “${STATE_WORDS[now.state]}”. Look at it, and acknowledge it again.`;
  return message;
}

/**
 * @param {Alarm[]} alarms
 * @param {string} comment
 */
export async function addComment(alarms, comment) {
  assertLinked();
  for (const { id } of alarms) await post(`/alarms/${encodeURIComponent(id)}/comments`, { comment, ...by() });
}

/**
 * What a shelf is for: a check, a parameter, or a whole spacecraft.
 * @typedef {{spacecraftId: string, parameter?: string | null, check?: string}} ShelfKey
 */

/**
 * @param {ShelfKey} key
 * @param {number} seconds
 * @param {string} reason
 */
export async function shelve(key, seconds, reason) {
  assertLinked();
  return (await post("/alarms/shelve", { ...key, seconds, reason, ...by() })).data;
}

/** @param {ShelfKey} key */
export async function unshelve(key) {
  assertLinked();
  return (await post("/alarms/unshelve", { ...key, ...by() })).data;
}
