// Draws a plot: limits that were in force, gaps, envelope and line, what was judged, axes. The same on the screen and in a PNG.

import { short } from "../values.js";
import { timeTicks, valueTicks } from "./axes.js";
import { drawBands, drawEdges, drawLabels, drawViolations } from "./judged.js";
import { isBroken, scale, y } from "./layout.js";
import { fitted, hatch } from "./theme.js";

/**
 * @typedef {import("./layout.js").Layout} Layout
 * @typedef {import("./layout.js").Pane} Pane
 * @typedef {{data: import("./loading.js").Data, range: {from: number, to: number}, now: number, units: Map<string, string>}} Picture
 * @typedef {{context: CanvasRenderingContext2D, picture: Picture, layout: Layout, colours: import("./theme.js").Theme, x: (at: number) => number}} Drawing
 */

export const FONT = '12px system-ui, "DejaVu Sans", sans-serif';

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Picture} picture
 * @param {Layout} layout
 * @param {import("./theme.js").Theme} colours
 */
export function draw(context, picture, layout, colours) {
  const drawing = { context, picture, layout, colours, x: scale(layout, picture.range).x };
  context.fillStyle = colours.raised;
  context.fillRect(0, 0, layout.width, layout.height);
  context.font = FONT;
  const ticks = timeTicks(picture.range.from, picture.range.to, Math.max(2, Math.floor((layout.right - layout.left) / 110)));
  for (const pane of layout.panes) {
    drawGrid(drawing, pane, ticks);
    context.save();
    context.beginPath();
    context.rect(layout.left, pane.top, layout.right - layout.left, pane.height);
    context.clip();
    if (pane.states) {
      drawStates(drawing, pane);
    } else {
      drawBands(drawing, pane);
      drawEdges(drawing, pane);
      drawGaps(drawing, pane);
      drawNumbers(drawing, pane);
    }
    drawUnloaded(drawing, pane);
    context.restore();
    drawViolations(drawing, pane);
    if (!pane.states) drawLabels(drawing, pane);
    drawTitle(drawing, pane);
  }
  drawTimes(drawing, ticks);
}

/**
 * @param {Drawing} drawing
 * @param {Pane} pane
 * @param {{at: number}[]} ticks
 */
function drawGrid({ context, layout, colours, x }, pane, ticks) {
  context.strokeStyle = colours.line;
  context.fillStyle = colours.muted;
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.beginPath();
  for (const tick of ticks) {
    context.moveTo(Math.round(x(tick.at)) + 0.5, pane.top);
    context.lineTo(Math.round(x(tick.at)) + 0.5, pane.top + pane.height);
  }
  if (!pane.states) {
    const values = valueTicks(pane.low, pane.high, pane.height / 40);
    for (const value of values) {
      const height = Math.round(y(pane, value)) + 0.5;
      context.moveTo(layout.left, height);
      context.lineTo(layout.right, height);
      if (height > pane.top + 6 && height < pane.top + pane.height - 4) context.fillText(tickText(value, values), layout.left - 6, height);
    }
  }
  context.rect(layout.left + 0.5, pane.top + 0.5, layout.right - layout.left - 1, pane.height - 1);
  context.stroke();
}

/**
 * A value beside its tick: only the last digits where the first are the same for all.
 * @param {number} value
 * @param {number[]} all
 */
function tickText(value, all) {
  const isLong = all.length > 1 && Math.abs(value) / (all[1] - all[0]) >= 1e6;
  return isLong ? `…${String(value).slice(-8)}` : short(value);
}

/**
 * @param {Drawing} drawing
 * @param {Pane} pane
 */
function drawGaps(drawing, pane) {
  const {
    picture: { data, range, now },
    x,
  } = drawing;
  const { trace } = pane;
  const size = trace.at.length;
  const loadedTo = Math.min(range.to, now, data.isComplete ? Infinity : data.loadedTo);
  if (size === 0) {
    if (data.isComplete) drawNothing(drawing, pane, x(range.from), x(loadedTo));
    return;
  }
  const longest = trace.gap ?? Infinity;
  if (trace.from[0] - range.from > longest) drawNothing(drawing, pane, x(range.from), x(trace.from[0]));
  for (let index = 0; index + 1 < size; index += 1) {
    if (isBroken(trace, index)) drawNothing(drawing, pane, x(trace.to[index]), x(trace.from[index + 1]));
  }
  if (loadedTo - trace.to[size - 1] > longest) drawNothing(drawing, pane, x(trace.to[size - 1]), x(loadedTo));
}

/**
 * @param {Drawing} drawing
 * @param {Pane} pane
 * @param {number} left
 * @param {number} right
 * @param {string} [text]
 */
function drawNothing({ context, layout, colours }, pane, left, right, text = "no data") {
  const x = Math.max(layout.left, left + 3);
  const width = Math.min(layout.right, right - 3) - x;
  if (width < 1) return;
  context.fillStyle = colours.raised; // where nothing was judged, no limit was in force
  context.fillRect(x, pane.top + 1, width, pane.height - 2);
  hatch(context, { x, y: pane.top, width, height: pane.height }, { colour: colours.line, apart: 9, rises: false, alpha: 1 });
  context.textAlign = "center";
  context.textBaseline = "middle";
  if (width < context.measureText(text).width + 12) return;
  context.fillStyle = colours.raised;
  context.fillRect(x + width / 2 - 28, pane.top + pane.height / 2 - 9, 56, 18);
  context.fillStyle = colours.muted;
  context.fillText(text, x + width / 2, pane.top + pane.height / 2);
}

/**
 * @param {Drawing} drawing
 * @param {Pane} pane
 */
function drawUnloaded(drawing, pane) {
  const { data, range } = drawing.picture;
  if (!data.isComplete && data.loadedTo < range.to) drawNothing(drawing, pane, drawing.x(data.loadedTo), drawing.x(range.to), "loading");
}

/**
 * The envelope of the least and the greatest number, and the line of the last; what stands alone is a mark.
 * @param {Drawing} drawing
 * @param {Pane} pane
 */
function drawNumbers({ context, layout, colours, x }, pane) {
  const { trace } = pane;
  const size = trace.at.length;
  const isSparse = trace.isSamples && size < (layout.right - layout.left) / 8;
  context.fillStyle = colours.trace;
  context.strokeStyle = colours.trace;
  context.lineJoin = "round";
  for (let first = 0, last = 0; first < size; first = last + 1) {
    last = first;
    while (last + 1 < size && !isBroken(trace, last)) last += 1;
    if (!trace.isSamples) drawEnvelope(context, pane, x, first, last);
    context.lineWidth = 1.5;
    context.beginPath();
    for (let index = first; index <= last; index += 1) context.lineTo(x(trace.at[index]), y(pane, Number(trace.last[index])));
    context.stroke();
    if (first !== last && !isSparse) continue;
    for (let index = first; index <= last; index += 1) {
      context.beginPath();
      context.arc(x(trace.at[index]), y(pane, Number(trace.last[index])), first === last ? 3 : 2, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Pane} pane
 * @param {(at: number) => number} x
 * @param {number} first
 * @param {number} last
 */
function drawEnvelope(context, pane, x, first, last) {
  const { trace } = pane;
  context.beginPath();
  for (let index = first; index <= last; index += 1) context.lineTo(x(trace.at[index]), y(pane, Number(trace.max[index])));
  for (let index = last; index >= first; index -= 1) context.lineTo(x(trace.at[index]), y(pane, Number(trace.min[index])));
  context.closePath();
  context.globalAlpha = 0.25;
  context.fill();
  context.globalAlpha = 0.6;
  context.lineWidth = 1; // a spike of one bucket has no area worth seeing
  context.stroke();
  context.globalAlpha = 1;
}

/**
 * @param {Drawing} drawing
 * @param {Pane} pane
 */
function drawStates({ context, layout, colours, x }, pane) {
  context.textAlign = "left";
  context.textBaseline = "middle";
  const values = [...new Set(pane.states?.spans.map((span) => span.value))];
  for (const span of pane.states?.spans ?? []) {
    const left = Math.max(layout.left, x(span.from));
    const width = Math.max(2, Math.min(layout.right, x(span.to)) - left);
    if (x(span.to) < layout.left || left > layout.right) continue;
    context.globalAlpha = 0.25 + 0.5 * ((values.indexOf(span.value) % 3) / 3);
    context.fillStyle = colours.edge;
    context.fillRect(left, pane.top + 4, width, pane.height - 8);
    context.globalAlpha = 1;
    context.strokeStyle = colours.edge;
    context.strokeRect(left + 0.5, pane.top + 4.5, Math.max(1, width - 1), pane.height - 9);
    context.fillStyle = colours.text;
    context.fillText(fitted(context, String(span.value), width - 8), left + 4, pane.top + pane.height / 2);
  }
}

/**
 * @param {Drawing} drawing
 * @param {Pane} pane
 */
function drawTitle({ context, picture, layout, colours }, pane) {
  const unit = picture.units.get(pane.name);
  context.textAlign = "left";
  context.textBaseline = "top";
  context.fillStyle = colours.text;
  context.fillText(fitted(context, unit ? `${pane.name} [${unit}]` : pane.name, layout.right - layout.left), layout.left, pane.top - 15);
}

/**
 * @param {Drawing} drawing
 * @param {{at: number, label: string, date: string}[]} ticks
 */
function drawTimes({ context, picture, layout, colours, x }, ticks) {
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const tick of ticks) {
    const place = Math.min(layout.right, Math.max(layout.left + 28, x(tick.at)));
    context.fillStyle = colours.muted;
    context.fillText(tick.label, place, layout.axis);
    context.fillStyle = colours.text;
    if (tick.date) context.fillText(tick.date, place, layout.axis + 16);
  }
  for (const { at } of picture.data.events) {
    if (at < picture.range.from || at > picture.range.to) continue;
    context.beginPath();
    context.moveTo(x(at), layout.axis - 14);
    context.lineTo(x(at) - 4, layout.axis - 6);
    context.lineTo(x(at) + 4, layout.axis - 6);
    context.fill();
  }
  context.fillStyle = colours.muted;
  context.textAlign = "right";
  context.fillText("UTC", layout.left - 6, layout.axis);
}
