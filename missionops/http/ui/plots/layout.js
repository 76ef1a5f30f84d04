// Which pane lies where, and which place in it a time and a value have.

import { given } from "../values.js";
import { valueRange } from "./axes.js";

const TOP = 18;
const BETWEEN = 24;
const AXIS = 44;
const STATES = 32;
const HEIGHTS = [340, 220, 160];
const WIDE = 700;

/**
 * @typedef {import("./loading.js").Data} Data
 * @typedef {import("./loading.js").Trace} Trace
 * @typedef {import("./loading.js").States} States
 * @typedef {{name: string, top: number, height: number, trace: Trace, states: States | null, low: number, high: number}} Pane
 * @typedef {{width: number, height: number, left: number, right: number, panes: Pane[], axis: number}} Layout
 */

/**
 * @param {Data} data
 * @param {{from: number, to: number}} range
 * @param {number} width
 * @returns {Layout}
 */
export function layoutOf(data, range, width) {
  /** @type {Pane[]} */
  const panes = [];
  const numbers = data.traces.filter((trace) => trace.at.length > 0 || trace.others === 0).length;
  const height = HEIGHTS[Math.min(numbers, HEIGHTS.length) - 1] ?? STATES;
  let top = TOP;
  for (const trace of data.traces) {
    const states = data.states.find((each) => each.parameter === trace.parameter) ?? null;
    if (trace.at.length > 0 || trace.others === 0) {
      panes.push({ name: trace.parameter, top, height, trace, states: null, ...extent(trace, range) });
      top += height + BETWEEN;
    }
    if (states) {
      panes.push({ name: trace.parameter, top, height: STATES, trace, states, low: 0, high: 1 });
      top += STATES + BETWEEN;
    }
  }
  const isWide = width >= WIDE;
  return { width, height: top + AXIS, left: isWide ? 78 : 54, right: width - (isWide ? 116 : 10), panes, axis: top };
}

/**
 * @param {Trace} trace
 * @param {{from: number, to: number}} range
 */
function extent(trace, range) {
  let low = Infinity;
  let high = -Infinity;
  for (let index = 0; index < trace.at.length; index += 1) {
    if (trace.to[index] < range.from || trace.from[index] > range.to) continue;
    low = Math.min(low, Number(trace.min[index]));
    high = Math.max(high, Number(trace.max[index]));
  }
  if (low > high) return { low: 0, high: 1 };
  return valueRange(
    low,
    high,
    trace.limits.flatMap((each) => given(each.limits).map((limit) => limit.value)),
  );
}

/**
 * @param {Layout} layout
 * @param {{from: number, to: number}} range
 */
export function scale(layout, range) {
  const size = (layout.right - layout.left) / (range.to - range.from);
  return {
    x: (/** @type {number} */ at) => layout.left + (at - range.from) * size,
    at: (/** @type {number} */ x) => range.from + (x - layout.left) / size,
  };
}

/**
 * @param {Pane} pane
 * @param {number} value
 */
export const y = (pane, value) => pane.top + pane.height - ((value - pane.low) / (pane.high - pane.low)) * pane.height;

/**
 * Whether a line breaks between a point and the next.
 * @param {Trace} trace
 * @param {number} index
 */
export const isBroken = (trace, index) => trace.gap !== null && trace.from[index + 1] - trace.from[index] > trace.gap;

/**
 * The limits that judged what was there at a time.
 * @param {Trace} trace
 * @param {number} from
 * @param {number} to
 */
export const limitsAt = (trace, from, to) =>
  trace.limits.flatMap(({ limits, spans }) =>
    spans.filter((span) => span.from <= to && span.to >= from).map((span) => ({ limits, version: span.version })),
  );

/**
 * Until when a set of limits counts: the next that judged, unless nothing was judged for long.
 * @param {Trace} trace
 * @param {number} step
 */
export function bands(trace, step) {
  const spans = trace.limits
    .flatMap(({ limits, spans }) => spans.map((span) => ({ ...span, limits })))
    .sort((one, other) => one.from - other.from);
  return spans.map((span, index) => {
    const next = spans[index + 1];
    const isNear = next && next.from - span.to <= Math.max(trace.gap ?? 0, 2 * step);
    return { ...span, until: isNear ? next.from : span.to, isLast: !next };
  });
}
