// One alarm as a row: all that an operator has to know before deciding, without opening it.

import { age, utc } from "../clock.js";
import { h } from "../dom.js";
import { link } from "../route.js";
import { alarmMark } from "../state.js";
import { CHECK_WORDS, isOver, limitText, nameOf, parameterText, STATE_WORDS, valueText, waits } from "./words.js";

/** @typedef {import("./words.js").Alarm} Alarm */

export const COLUMNS = ["Severity", "Spacecraft", "Parameter", "First", "Peak", "Last", "Limit", "Samples", "Since (UTC)", "Notes"];
/** Characters beyond which a value is broken anywhere, not only between words. */
const LONG = 20;
const NUMBERS = new Set(["First", "Peak", "Last", "Samples"]);

/** @param {boolean} isSelectable */
export function heading(isSelectable) {
  return h(
    "thead",
    {},
    h(
      "tr",
      {},
      isSelectable &&
        h(
          "th",
          { scope: "col", class: "choice" },
          h("label", { class: "unseen", for: "all-alarms" }, "Select all"),
          h("input", { type: "checkbox", id: "all-alarms", "data-all": true }),
        ),
      ...COLUMNS.map((each) => h("th", { scope: "col", class: NUMBERS.has(each) ? `number ${each.toLowerCase()}` : null }, each)),
    ),
  );
}

/**
 * @param {Alarm & {isGone?: boolean}} alarm
 * @param {boolean} isSelectable
 */
export function row(alarm, isSelectable) {
  const at = (/** @type {import("./words.js").Sample | null} */ sample, /** @type {string} */ name) => {
    const text = sample ? valueText(sample.value, alarm.unit, true) : "–";
    return h(
      "td",
      {
        class: `number value ${name.toLowerCase()} ${text.length > LONG ? "long" : ""}`.trim(),
        "data-label": name,
        title: sample ? `${valueText(sample.value, alarm.unit)} at ${utc(sample.timestamp)} UTC` : null,
      },
      text,
    );
  };
  const manner = waits(alarm) ? (isOver(alarm) ? "flash quiet" : "flash") : isOver(alarm) ? "quiet" : "";
  return h(
    "tr",
    { class: `alarm ${alarm.isGone ? "gone" : ""} ${isOver(alarm) ? "over" : ""}`.trim() },
    isSelectable &&
      h("td", { class: "choice" }, h("input", { type: "checkbox", "data-choice": alarm.id, "aria-label": `Select ${nameOf(alarm)}` })),
    h(
      "td",
      { class: "severity" },
      alarmMark(alarm.severity, manner),
      h(
        "div",
        { class: "state" },
        STATE_WORDS[alarm.state] ?? alarm.state,
        alarm.late && h("span", { class: "tag", title: "Found after later telemetry of this parameter had been handled" }, "late"),
        alarm.masked && h("span", { class: "tag", title: "Another alarm explains it: nobody is notified" }, "masked"),
      ),
    ),
    h(
      "td",
      { class: "craft-id" },
      h("a", { href: link(["alarms"], { sc: alarm.spacecraftId }), title: `Alarms of ${alarm.spacecraftId}` }, alarm.spacecraftId),
    ),
    h(
      "td",
      { class: "about-what" },
      h("a", { class: "open", href: link(["alarms", alarm.id]), title: alarm.description }, parameterText(alarm)),
      h("div", { class: "note" }, [CHECK_WORDS[alarm.check], alarm.subsystem].filter(Boolean).join(" · ")),
    ),
    at(alarm.first, "First"),
    at(alarm.peak, "Peak"),
    at(alarm.last, "Last"),
    h("td", { class: "limit" }, limitText(alarm)),
    h("td", { class: "number samples", "data-label": "Samples" }, alarm.samples.toLocaleString("en")),
    h(
      "td",
      { class: "time" },
      age(alarm.start),
      h("div", { class: "note" }, utc(alarm.start)),
      alarm.end && h("div", { class: "note" }, `to ${utc(alarm.end)}`),
    ),
    h("td", { class: "notes" }, ...notes(alarm)),
  );
}

/**
 * What was done about it and why: a reason stands by itself, so that what is cut of a long one is its end.
 * @param {Alarm & {isGone?: boolean}} alarm
 */
function notes(alarm) {
  /** @type {(string | null)[]} */
  const found = [];
  if (alarm.isGone) found.push("No longer in this list.");
  if (alarm.shelved) found.push(`Shelved by ${alarm.shelved.by} until ${utc(alarm.shelved.until).slice(0, 16)}`, alarm.shelved.reason);
  if (alarm.acknowledged)
    found.push(`Acknowledged by ${alarm.acknowledged.by} at ${utc(alarm.acknowledged.at).slice(0, 16)}`, alarm.acknowledged.comment);
  if (alarm.mergedInto) found.push(`Goes on as ${alarm.mergedInto}.`);
  else if (alarm.state === "RETRACTED") found.push("Later telemetry has shown that it was none.");
  if (alarm.reason === "unmonitored") found.push("Ended as it is no longer checked.");
  const last = alarm.comments.at(-1);
  if (last) found.push(`${last.by}: ${last.comment}`);
  if (alarm.earlier) found.push(`${alarm.earlier.toLocaleString("en")} earlier wait too.`);
  return found.filter(Boolean).map((text) => h("div", { class: "clipped", title: text }, text));
}
