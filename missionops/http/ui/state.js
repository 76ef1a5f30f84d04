// States and severities: each by shape, by word and by lightness; grey where all is well.

import { h, svg } from "./dom.js";

const DOWN = "M1.5 2.5h13L8 14.5z";
const DIAMOND = "M8 1l7 7-7 7-7-7z";

/** Shapes of 16 by 16 for what waits for an operator. */
export const WORST_SHAPES = { critical: DOWN, warning: DIAMOND, low: "M3 3h10v10H3z" };

/** @type {Record<string, () => SVGElement>} */
const SYMBOLS = {
  severe: () =>
    svg(
      "critical severe",
      ["path", { d: "M.5 1.5h15L8 15.5z", class: "edge" }],
      ["path", { d: "M3 3h10L8 12.3z" }],
      ["path", { d: "M8 4.2v3.4M8 8.7v1.1", class: "sign" }],
    ),
  critical: () => svg("critical", ["path", { d: DOWN }]),
  warning: () => svg("warning", ["path", { d: DIAMOND }]),
  low: () => svg("low", ["path", { d: "M3 3h10v10H3z" }]),
  silent: () => svg("silent", ["circle", { cx: "8", cy: "8", r: "5.5", "stroke-dasharray": "2.2 2.1" }]),
  unconfigured: () => svg("outline", ["circle", { cx: "8", cy: "8", r: "5.5" }], ["path", { d: "M4.2 11.8l7.6-7.6" }]),
  partial: () =>
    svg("outline half", ["circle", { cx: "8", cy: "8", r: "5.5" }], ["path", { d: "M8 2.5a5.5 5.5 0 0 1 0 11z", class: "filled" }]),
  unknown: () => svg("outline", ["path", { d: "M5.5 6a2.5 2.5 0 1 1 3.6 2.2Q8 8.8 8 10.2M8 12.6v.9" }]),
  nominal: () => svg("nominal", ["circle", { cx: "8", cy: "8", r: "2.6" }]),
};

/** @type {Record<string, {symbol: string, word: string, meaning: string}>} */
export const STATES = {
  CRITICAL: { symbol: "critical", word: "Critical", meaning: "beyond a critical limit in the last 24 h" },
  WARNING: { symbol: "warning", word: "Warning", meaning: "beyond a warning limit in the last 24 h" },
  SILENT: { symbol: "silent", word: "Silent", meaning: "nothing was received for long" },
  NOT_CONFIGURED: { symbol: "unconfigured", word: "No limits", meaning: "no limit is for a parameter that it reports" },
  PARTIAL: { symbol: "partial", word: "Partly checked", meaning: "some limits check nothing" },
  UNKNOWN: { symbol: "unknown", word: "Not known yet", meaning: "whether its limits work is being found out" },
  NOMINAL: { symbol: "nominal", word: "Nominal", meaning: "within its limits" },
};

/** @type {Record<string, {symbol: string, word: string}>} */
const SEVERITIES = {
  CRITICAL: { symbol: "severe", word: "Critical" },
  HIGH: { symbol: "critical", word: "High" },
  MEDIUM: { symbol: "warning", word: "Medium" },
  LOW: { symbol: "nominal", word: "Low" },
};

/**
 * A symbol with its word.
 * @param {string} symbol
 * @param {string} word
 * @param {string} [meaning]
 */
export const mark = (symbol, word, meaning) => h("span", { class: `mark ${symbol}`, title: meaning }, SYMBOLS[symbol](), word);

/** @param {string} state */
export function stateMark(state) {
  const found = STATES[state] ?? { symbol: "unknown", word: state, meaning: "" };
  return h("span", { class: `mark ${found.symbol}`, title: found.meaning }, SYMBOLS[found.symbol](), found.word);
}

/**
 * The severity of an event: those that are low tell of nothing wrong, and are grey.
 * @param {string} severity
 */
export function severityMark(severity) {
  const found = SEVERITIES[severity] ?? { symbol: "unknown", word: severity };
  const fill = found.symbol === "severe" ? "critical severe" : found.symbol;
  return h("span", { class: `mark ${fill}` }, SYMBOLS[found.symbol](), found.word);
}

/** @type {Record<string, [string, string]>} */
const ALARMS = { CRITICAL: ["severe", "Critical"], HIGH: ["critical", "High"], MEDIUM: ["warning", "Medium"], LOW: ["low", "Low"] };

/**
 * The severity of an alarm: each has a shape of its own. What is over, or taken note of, has no fill.
 * @param {string} severity LOW, MEDIUM, HIGH or CRITICAL
 * @param {string} [manner] `flash` where it waits for an operator, `quiet` where it is over
 * @param {string} [text] in place of its word
 */
export function alarmMark(severity, manner = "", text = "") {
  const [symbol, word] = ALARMS[severity];
  const fill = symbol === "severe" ? "critical severe" : symbol;
  return h("span", { class: `mark ${fill} ${manner}`.trim() }, SYMBOLS[symbol](), text || word);
}
