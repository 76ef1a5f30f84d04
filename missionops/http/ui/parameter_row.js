// A parameter's row on the page of its spacecraft: changed where something changed, and never replaced, so that a focus
// or a selection in it stays.

import * as clock from "./clock.js";
import { h } from "./dom.js";
import { iso } from "./range.js";
import { link } from "./route.js";
import { alarmMark, mark } from "./state.js";
import { arrow, given, listed, plain } from "./values.js";

/** Seconds by which reception and spacecraft time may differ before both are shown. */
const APART = 5;
const HOUR = 3_600_000;
const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {{name: string, value: any, timestamp: string | null, receivedAt: string | null, severity: string | null,
 *            limit: {name: string, value: any} | null, limits: Record<string, any> | null, version: number | null,
 *            unit: string | null, description: string | null, subsystem: string | null, every: number | null,
 *            isStale: boolean | null}} Latest
 */

/**
 * Whether a value is older than it should be: as the service said, or by now.
 * @param {Latest} item
 * @param {number | undefined} staleAfter seconds, of the parameter's rule
 * @param {string | null} at the time at which the page is frozen
 */
export function isStale(item, staleAfter, at) {
  if (item.isStale !== false || at !== null || item.receivedAt === null) return item.isStale === true;
  const longest = staleAfter ?? 3 * (item.every ?? Infinity);
  return (clock.now() - Date.parse(item.receivedAt)) / 1000 > longest;
}

export class ParameterRow {
  /**
   * @param {string} spacecraft
   * @param {string} name
   */
  constructor(spacecraft, name) {
    this.spacecraft = spacecraft;
    this.text = "";
    /** What its state and its limits were made from: most values change within them. */
    this.stateText = "";
    this.limitsText = "";
    /** @type {any[]} */
    this.given = [];
    this.link = h("a", {}, h("bdi", {}, name));
    this.about = h("span", { class: "note" });
    this.value = h("bdi");
    this.unit = h("span", { class: "note" });
    this.state = h("td");
    this.limits = h("td", { class: "within" });
    this.age = h("td", { class: "time" });
    this.time = h("td", { class: "time" });
    this.element = h(
      "tr",
      { click: (/** @type {MouseEvent} */ event) => this.open(event) },
      h("th", { scope: "row", class: "message" }, this.link, " ", this.about),
      h("td", { class: "newest" }, this.value, " ", this.unit),
      this.state,
      this.limits,
      this.age,
      this.time,
    );
  }

  /** @param {MouseEvent} event */
  open(event) {
    const target = /** @type {Element} */ (event.target);
    if (!target.closest("a") && getSelection()?.isCollapsed !== false) this.link.click();
  }

  /**
   * @param {Latest} item
   * @param {any} rule the parameter's rule in force
   * @param {boolean} stale
   * @param {string | null} at
   * @param {any} [alarm] the worst that is active of it
   */
  update(item, rule, stale, at, alarm) {
    const parts = [item, rule, stale, at, alarm];
    if (parts.every((each, index) => each === this.given[index])) return; // thousands of rows are looked at every second
    this.given = parts;
    const found = item.severity === null && alarm ? { severity: alarm.severity, description: alarm.description } : null;
    const text = JSON.stringify([item, rule, stale, at, found], (_, value) => (typeof value === "bigint" ? `${value}n` : value));
    if (text === this.text) return;
    this.text = text;
    this.link.href = plotOf(this.spacecraft, item);
    set(this.about, item.description ?? "");
    set(this.value, plain(item.value));
    set(this.unit, item.unit ?? "");
    this.element.classList.toggle("stale", stale);
    const broken = item.limit && `${arrow(item.limit)} ${item.limit.name} ${plain(item.limit.value)}`;
    const stateText = JSON.stringify([item.severity, broken, found, stale, item.limits !== null, rule?.off, rule === undefined]);
    if (stateText !== this.stateText)
      this.state.replaceChildren(
        ...[
          item.severity !== null || found
            ? alarmMark(found?.severity ?? item.severity)
            : item.limits || (rule && rule.off === undefined)
              ? mark("nominal", "Nominal")
              : mark("unconfigured", "Not checked", rule?.off ?? "no limits are for this parameter"),
          broken && h("span", { class: "broken" }, ` ${broken}`),
          found && h("span", { class: "broken" }, ` alarm: ${found.description.replace(`Parameter ${item.name} `, "")}`),
          stale && " ",
          stale && mark("silent", "Stale", "older than it should be"),
        ].filter((part) => part !== null && part !== false),
      );
    this.stateText = stateText;
    const place = placeOf(item);
    const limitsText = JSON.stringify([given(item.limits).map(({ name, text }) => [name, text]), place === null]);
    if (limitsText !== this.limitsText) this.limits.replaceChildren(...limitsBar(item));
    this.limitsText = limitsText;
    if (place !== null) this.limits.querySelector(".place")?.setAttribute("d", pointer(place));
    const heard = item.receivedAt ?? item.timestamp;
    this.age.replaceChildren(
      at === null || item.timestamp === null ? clock.age(heard) : clock.duration((Date.parse(at) - Date.parse(item.timestamp)) / 1000),
    );
    this.time.replaceChildren(...times(item));
  }
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Latest} item */
function times({ timestamp, receivedAt }) {
  if (timestamp === null) return ["not among the newest snapshots"];
  const time = h("time", { datetime: timestamp, title: timestamp }, clock.utc(timestamp));
  if (receivedAt === null || Math.abs(Date.parse(receivedAt) - Date.parse(timestamp)) <= APART * 1000) return [time];
  return [
    time,
    h(
      "div",
      { class: "note", title: receivedAt },
      `received ${clock.utc(receivedAt).replace(`${clock.utc(timestamp).slice(0, 10)} `, "")}`,
    ),
  ];
}

/**
 * The plot of a parameter: of the last hour, or of the hour before its newest value where that is older.
 * @param {string} spacecraft
 * @param {Latest} item
 */
function plotOf(spacecraft, item) {
  const at = item.timestamp === null ? clock.now() : Date.parse(item.timestamp);
  const isOld = Math.abs(clock.now() - at) > HOUR;
  return link(["sc", spacecraft, "plot"], { p: listed([item.name]), ...(isOld ? { from: iso(at - HOUR), to: iso(at) } : { last: "1h" }) });
}

/**
 * From 0 to 100: between the lowest and the highest limit, and how far beyond them.
 * @param {{value: number}[]} limits
 * @param {number} value
 */
function placed(limits, value) {
  const [low, high] = [limits[0].value, limits[limits.length - 1].value];
  return 8 + Math.min(1.04, Math.max(-0.04, (value - low) / (high - low))) * 84;
}

/**
 * Where the value stands between its limits; null where it is no number, or they have no width.
 * @param {Latest} item
 */
function placeOf({ limits, value }) {
  const found = given(limits);
  const isNumber = typeof value === "number" || typeof value === "bigint";
  if (found.length === 0 || !isNumber || found[0].value === found[found.length - 1].value) return null;
  return placed(found, Number(value));
}

/** @param {number} place */
const pointer = (place) => `M${place} 9l-4 7h8z`;

/**
 * From the lowest to the highest limit, with the place of the value: grey, for only a state has a colour.
 * @param {Latest} item
 * @returns {Node[]}
 */
function limitsBar(item) {
  const limits = given(item.limits);
  if (limits.length === 0) return [];
  const text = limits.map((limit) => `${limit.name} ${limit.text}`).join(", ");
  const own = placeOf(item);
  if (own === null)
    return [h("span", { class: "note", title: text }, limits.map((limit) => `${limit.isHigh ? "≤" : "≥"} ${limit.text}`).join(", "))];
  const place = (/** @type {number} */ value) => placed(limits, value);
  const bar = document.createElementNS(SVG, "svg");
  const draw = (/** @type {string} */ tag, /** @type {Record<string, string | number>} */ attributes) => {
    const shape = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, String(value));
    bar.append(shape);
  };
  bar.setAttribute("viewBox", "0 0 100 16");
  bar.setAttribute("class", "limits-bar");
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", text);
  draw("title", {});
  /** @type {any} */ (bar.firstChild).textContent = text;
  const lows = limits.filter((limit) => !limit.isHigh);
  const highs = limits.filter((limit) => limit.isHigh);
  const [from, to] = [lows.length ? place(lows[lows.length - 1].value) : 0, highs.length ? place(highs[0].value) : 100];
  draw("rect", { x: 0, y: 6, width: 100, height: 4, class: "outside" });
  draw("rect", { x: from, y: 6, width: to - from, height: 4, class: "inside" });
  for (const limit of limits)
    draw("rect", {
      x: place(limit.value) - 0.5,
      y: limit.level === "crit" || limit.level === "severe" ? 3 : 5,
      width: 1,
      height: limit.level === "crit" || limit.level === "severe" ? 10 : 6,
      class: "edge",
    });
  draw("path", { d: pointer(own), class: "place" });
  return [bar];
}
