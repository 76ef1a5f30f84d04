// The numbers at the cursor: a table that is always there, and the plot for whoever cannot see it.

import { h } from "../dom.js";
import { alarmMark } from "../state.js";
import { given, plain } from "../values.js";
import { text } from "./axes.js";
import { isBroken, limitsAt } from "./layout.js";

/**
 * @typedef {import("./loading.js").Trace} Trace
 * @typedef {import("./loading.js").Data} Data
 */

const HEADS = ["Parameter", "Time (UTC)", "Value", "Least", "Greatest", "Samples", "Beyond limits", "Limits then"];

/**
 * The point of a trace at a time: the nearest of two that a line connects; -1 in a gap, and where nothing is.
 * @param {Trace} trace
 * @param {number} at
 * @param {number} close milliseconds that nobody can tell apart on the screen
 */
export function indexAt(trace, at, close) {
  let [low, high] = [-1, trace.at.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (trace.from[middle] <= at) low = middle;
    else high = middle - 1;
  }
  const isWithin = (/** @type {number} */ index) =>
    index >= 0 && index < trace.at.length && at >= trace.from[index] - close && at <= trace.to[index] + close;
  if (isWithin(low)) return low;
  if (isWithin(low + 1)) return low + 1;
  if (low >= 0 && low + 1 < trace.at.length && !isBroken(trace, low)) return at - trace.at[low] <= trace.at[low + 1] - at ? low : low + 1;
  return -1;
}

export class Readout {
  constructor() {
    this.body = h("tbody");
    this.caption = h("caption");
    this.element = h(
      "div",
      { class: "readout", tabindex: "0", role: "group", "aria-label": "Numbers at the cursor" },
      h(
        "table",
        { class: "wide" },
        this.caption,
        h("thead", {}, h("tr", {}, ...HEADS.map((head) => h("th", { scope: "col" }, head)))),
        this.body,
      ),
    );
  }

  /**
   * What stands at the cursor, or at the end of the range.
   * @param {Data} data
   * @param {number | null} cursor
   * @param {number} close
   * @returns {string} the same in a sentence
   */
  show(data, cursor, close) {
    const rows = data.traces.flatMap((trace) => rowsAt(data, trace, cursor, close));
    const events = cursor === null ? [] : data.events.filter((each) => Math.abs(each.at - cursor) <= 2 * close).map((each) => each.message);
    this.caption.textContent =
      cursor === null ? "Newest numbers in this range" : [`At the cursor: ${brief(cursor)} UTC`, ...events].join(" · ");
    this.body.replaceChildren(
      ...rows.map(({ cells }) =>
        h(
          "tr",
          {},
          ...cells.map((cell, place) =>
            place === 0
              ? h("th", { scope: "row", class: "message" }, cell)
              : h("td", { class: place > 1 && place < 6 ? "number" : "message" }, cell),
          ),
        ),
      ),
    );
    return `${cursor === null ? "" : `${text(cursor).slice(0, 19)} UTC: `}${rows.map((row) => row.said).join(", ")}`;
  }
}

/**
 * @param {Data} data
 * @param {Trace} trace
 * @param {number | null} cursor
 * @param {number} close
 */
function rowsAt(data, trace, cursor, close) {
  const states = data.states.find((each) => each.parameter === trace.parameter);
  const rows = [];
  if (trace.at.length > 0 || !states) rows.push(numbersAt(trace, cursor === null ? trace.at.length - 1 : indexAt(trace, cursor, close)));
  if (states) {
    const span =
      cursor === null ? states.spans.at(-1) : states.spans.find((each) => each.from - close <= cursor && each.to + close >= cursor);
    const time = span ? `${text(span.from).slice(0, 19)} to ${text(span.to).slice(0, 19)}` : "";
    const value = span ? plain(span.value) : "no data";
    const beyond = span ? trace.violations.filter((each) => each.until >= span.from && each.at <= span.to) : [];
    rows.push({ cells: [trace.parameter, time, value, "", "", span?.count ?? "", marks(beyond), ""], said: `${trace.parameter} ${value}` });
  }
  return rows;
}

/**
 * @param {Trace} trace
 * @param {number} index
 */
function numbersAt(trace, index) {
  if (index === -1) return { cells: [trace.parameter, "", "no data", "", "", "", "", ""], said: `${trace.parameter} no data` };
  const beyond = beyondAt(trace, trace.from[index], trace.to[index]);
  const limits = limitsAt(trace, trace.from[index], trace.to[index])
    .map(
      ({ limits, version }) =>
        `v${version}: ${given(limits)
          .map((limit) => `${limit.name} ${limit.text}`)
          .join(", ")}`,
    )
    .join("; ");
  const time = trace.isSamples ? text(trace.at[index]) : `${brief(trace.from[index])} to ${brief(trace.to[index]).slice(11)}`;
  const [least, greatest] = trace.count[index] === 1 ? ["", ""] : [plain(trace.min[index]), plain(trace.max[index])];
  const range = least === "" ? "" : ` (${least} to ${greatest})`;
  return {
    cells: [
      trace.parameter,
      time,
      plain(trace.last[index]),
      least,
      greatest,
      trace.count[index].toLocaleString("en"),
      marks(beyond),
      limits || "none",
    ],
    said: `${trace.parameter} ${plain(trace.last[index])}${range}${beyond.map((each) => ` ${each.severity}`).join("")}`,
  };
}

/**
 * A time without digits that say nothing.
 * @param {number} at
 */
const brief = (at) => text(at).replace(/(\.\d*?)0+$/, (_, kept) => (kept === "." ? "" : kept));

/**
 * @param {Trace} trace
 * @param {number} from
 * @param {number} to
 */
export const beyondAt = (trace, from, to) =>
  trace.violations.filter((each) =>
    each.until > each.at ? each.at < Math.max(to, from + 0.001) && each.until > from : Math.abs(each.at - from) < 0.001,
  );

/** @param {{severity: string, count: number}[]} beyond */
function marks(beyond) {
  if (beyond.length === 0) return "";
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { severity, count } of beyond) counts.set(severity, (counts.get(severity) ?? 0) + count);
  return h(
    "span",
    { class: "chips" },
    ...[...counts].map(([severity, count]) => h("span", {}, alarmMark(severity), count > 1 ? ` × ${count.toLocaleString("en")}` : "")),
  );
}
