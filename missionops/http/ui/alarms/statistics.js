// How many alarms there were, against what EEMUA 191 says that an operator can handle.

import { duration, now, utc } from "../clock.js";
import { h } from "../dom.js";
import { link } from "../route.js";
import { get } from "../session.js";
import { CHECK_WORDS } from "./words.js";

const DAY = 86_400_000;
const TEN_MINUTES = 600_000;
/** Milliseconds between two questions: the figures are of a whole day. */
const APART = 5_000;
const MOST_ON_AVERAGE = 1;
const MOST_AFTER_UPSET = 10;

export class Statistics {
  constructor() {
    this.askedAt = -APART;
    this.craft = "";
    this.line = h("summary", {}, "Last 24 h: …");
    this.more = h("div", { class: "columns" });
    this.view = h("details", { class: "panel statistics" }, this.line, this.more);
  }

  /**
   * @param {string} craft
   * @param {AbortSignal} signal
   */
  async ask(craft, signal) {
    if (performance.now() - this.askedAt < APART && craft === this.craft) return;
    const to = now();
    const { data } = await get(
      "/alarms/statistics",
      { spacecraftId: craft, from: new Date(to - DAY).toISOString(), to: new Date(to).toISOString() },
      signal,
    );
    this.askedAt = performance.now();
    this.craft = craft;
    const average = data.alarms / (DAY / TEN_MINUTES);
    const { count, until } = data.busiest10Minutes;
    this.line.replaceChildren(
      `Last 24 h${craft ? ` of ${craft}` : ""}: ${data.alarms.toLocaleString("en")} ${data.alarms === 1 ? "alarm" : "alarms"}`,
      figure(
        `${average < 0.1 && average > 0 ? "< 0.1" : average.toFixed(1)} per 10 min`,
        average >= MOST_ON_AVERAGE,
        "EEMUA 191: less than 1 on average",
      ),
      figure(
        `most in 10 min: ${count.toLocaleString("en")}${until ? ` until ${utc(until).slice(11, 16)}` : ""}`,
        count > MOST_AFTER_UPSET,
        "EEMUA 191: at most 10 in the first 10 min after an upset",
      ),
      h(
        "span",
        {},
        data.secondsToAcknowledge === null ? "none acknowledged" : `acknowledged after ${duration(data.secondsToAcknowledge)} on average`,
      ),
      h("span", {}, `${data.standingLong.toLocaleString("en")} older than 24 h`),
    );
    this.more.replaceChildren(
      list("Most alarms", data.mostFrequent, ""),
      list("Chattering: three or more within 60 s", data.chattering, " within 60 s"),
      h(
        "p",
        { class: "note" },
        "EEMUA 191 says what an operator can handle: fewer than one alarm in 10 minutes on average, and at most 10 in the first 10 minutes after an upset. Figures are of the alarms found in the last 24 h, shelved ones too.",
      ),
    );
  }
}

/**
 * @param {string} text
 * @param {boolean} isTooMuch
 * @param {string} norm
 */
const figure = (text, isTooMuch, norm) =>
  h("span", { title: norm, class: isTooMuch ? "too-much" : null }, text, isTooMuch && " (too many)");

/**
 * @param {string} title
 * @param {any[]} found
 * @param {string} unit
 */
function list(title, found, unit) {
  const items = found
    .slice(0, 10)
    .map((one) =>
      h(
        "li",
        {},
        h(
          "a",
          { href: link(["alarms"], { tab: "history", sc: one.spacecraftId, q: one.parameter, check: one.check }) },
          `${one.spacecraftId} ${one.parameter ?? ""}`,
        ),
        ` ${CHECK_WORDS[one.check]}: ${one.count.toLocaleString("en")}${unit}`,
      ),
    );
  return h("div", {}, h("h3", {}, title), items.length ? h("ol", {}, ...items) : h("p", { class: "note" }, "none"));
}
