// Draws what values were judged by: the limits that were in force, each in its time, and what lay beyond them.

import { given } from "../values.js";
import { bands, limitsAt, y } from "./layout.js";
import { fitted, hatch, symbol } from "./theme.js";

/**
 * @typedef {import("./layout.js").Pane} Pane
 * @typedef {import("./loading.js").Trace} Trace
 * @typedef {import("./drawing.js").Drawing} Drawing
 */

const LABEL = 92;
const CLOSE = 4;

/**
 * What lies beyond a limit: dense hatching beyond critical ones, plain beyond warnings.
 * @param {Drawing} drawing
 * @param {Pane} pane
 */
export function drawBands({ context, picture, colours, x }, pane) {
  for (const band of bands(pane.trace, picture.data.step * 1000)) {
    const left = x(band.from);
    const width = Math.max(2, x(band.until) - left);
    const limits = given(band.limits);
    limits.forEach((limit, index) => {
      if (limit.level === "watch") return;
      const next = limits[limit.isHigh ? index + 1 : index - 1];
      const beyond = next && next.isHigh === limit.isHigh ? y(pane, next.value) : limit.isHigh ? pane.top : pane.top + pane.height;
      const top = Math.max(pane.top, Math.min(beyond, y(pane, limit.value)));
      const height = Math.min(pane.top + pane.height, Math.max(beyond, y(pane, limit.value))) - top;
      if (height <= 0) return;
      context.globalAlpha = 0.12;
      context.fillStyle = limit.level === "warn" ? colours.warning : colours.critical;
      context.fillRect(left, top, width, height);
      context.globalAlpha = 1;
      if (limit.level !== "warn")
        hatch(
          context,
          { x: left, y: top, width, height },
          { colour: colours.critical, apart: limit.level === "severe" ? 5 : 8, rises: true, alpha: 0.35 },
        );
    });
  }
}

/**
 * @param {Drawing} drawing
 * @param {Pane} pane
 */
export function drawEdges({ context, picture, colours, x }, pane) {
  for (const band of bands(pane.trace, picture.data.step * 1000)) {
    for (const limit of given(band.limits)) {
      context.setLineDash({ severe: [], crit: [], warn: [6, 4], watch: [1, 3] }[limit.level] ?? []);
      context.lineWidth = limit.level === "severe" ? 2.5 : 1.2;
      context.strokeStyle = limit.level === "warn" ? colours.warningEdge : limit.level === "watch" ? colours.edge : colours.critical;
      context.beginPath();
      context.moveTo(x(band.from), y(pane, limit.value));
      context.lineTo(Math.max(x(band.until), x(band.from) + 2), y(pane, limit.value));
      context.stroke();
    }
  }
  context.setLineDash([]);
}

/**
 * The name and value of each limit, where it ends: beside the pane for the last, within it for those before.
 * @param {Drawing} drawing
 * @param {Pane} pane
 */
export function drawLabels({ context, picture, layout, colours, x }, pane) {
  context.textBaseline = "middle";
  /** @type {number[]} */
  const taken = [];
  for (const band of bands(pane.trace, picture.data.step * 1000).reverse()) {
    const isBeside = band.isLast && layout.width - layout.right > LABEL;
    const left = Math.max(layout.left, x(band.from)) + 4;
    const right = Math.min(layout.right, x(band.until));
    if (right < layout.left || left > layout.right || (!isBeside && right - left < LABEL)) continue;
    for (const limit of given(band.limits)) {
      const height = y(pane, limit.value);
      const text = `${limit.name} ${limit.text}`;
      if (height < pane.top || height > pane.top + pane.height) continue;
      const place = isBeside ? height : height + (limit.isHigh ? -8 : 9);
      if (isBeside && taken.some((each) => Math.abs(each - place) < 12)) continue;
      if (isBeside) taken.push(place);
      context.fillStyle = colours.text;
      context.textAlign = isBeside ? "left" : "right";
      context.fillText(
        fitted(context, text, isBeside ? layout.width - layout.right - 8 : LABEL + 30),
        isBeside ? layout.right + 6 : right - 6,
        place,
      );
    }
  }
}

/**
 * Where stored anomalies lie: as each was judged when it came, whatever the limits are now.
 * @param {Drawing} drawing
 * @param {Pane} pane
 */
export function drawViolations({ context, picture, layout, colours, x }, pane) {
  /** @type {Record<string, {x: number, y: number}>} */
  const before = {};
  const order = ["LOW", "MEDIUM", "HIGH", "CRITICAL"];
  for (const violation of pane.trace.violations.toSorted((one, other) => order.indexOf(one.severity) - order.indexOf(other.severity))) {
    if (violation.until < picture.range.from || violation.at > picture.range.to) continue;
    for (const found of pane.states ? [null] : extremes(pane.trace, violation)) {
      if (pane.states === null && found === null) continue;
      const place = { x: x(found?.at ?? violation.at), y: found ? y(pane, found.value) : pane.top + 5 };
      const last = before[violation.severity];
      if (last && Math.abs(last.x - place.x) < (pane.states ? 4 * CLOSE : CLOSE) && Math.abs(last.y - place.y) < CLOSE) continue;
      before[violation.severity] = place;
      symbol(context, colours, violation.severity, Math.min(layout.right, Math.max(layout.left, place.x)), place.y);
    }
  }
}

/**
 * The ends of a bucket that lie beyond the limits which judged it; its greatest number where none says which.
 * @param {Trace} trace
 * @param {{at: number, until: number}} violation
 */
function extremes(trace, violation) {
  const index = pointAt(trace, violation.at);
  if (index === -1) return [];
  const low = { at: trace.minAt[index], value: Number(trace.min[index]) };
  const high = { at: trace.maxAt[index], value: Number(trace.max[index]) };
  const limits = limitsAt(trace, violation.at, violation.until).flatMap((each) => given(each.limits));
  const found = [
    ...(limits.some((limit) => !limit.isHigh && low.value < limit.value) ? [low] : []),
    ...(limits.some((limit) => limit.isHigh && high.value > limit.value) ? [high] : []),
  ];
  return found.length > 0 ? found : [high];
}

/**
 * The point of a bucket or sample that begins at a time, or -1.
 * @param {Trace} trace
 * @param {number} at
 */
function pointAt(trace, at) {
  let [low, high] = [0, trace.from.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (trace.from[middle] < at - 0.0005) low = middle + 1;
    else high = middle;
  }
  return trace.from.length > 0 && Math.abs(trace.from[low] - at) < 0.001 ? low : -1;
}
