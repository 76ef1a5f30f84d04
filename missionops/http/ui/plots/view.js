// The picture of a plot with its cursor: drawn on one canvas, the cursor and a chosen span on another above it.

import { h } from "../dom.js";
import { draw } from "./drawing.js";
import { layoutOf, scale } from "./layout.js";
import { theme } from "./theme.js";

/** Pixels that a pointer has to move before it chooses a span. */
const DRAG = 5;
/** Pixels that nobody can tell apart. */
const CLOSE = 3;

/** @typedef {import("./drawing.js").Picture} Picture */

export class PlotView {
  /**
   * @param {{moved: (at: number | null, isPinned: boolean) => void, chosen: (range: {from: number, to: number}) => void}} told
   */
  constructor(told) {
    this.told = told;
    this.left = new AbortController();
    /** @type {Picture | null} */
    this.picture = null;
    /** @type {import("./layout.js").Layout | null} */
    this.layout = null;
    /** @type {number | null} */
    this.cursor = null;
    this.isPinned = false;
    /** @type {{from: number, to: number} | null} */
    this.drag = null;
    this.probe = h("span", { hidden: true });
    this.base = h("canvas");
    this.above = h("canvas", { class: "above" });
    this.element = h(
      "div",
      {
        class: "plot",
        tabindex: "0",
        role: "slider",
        "aria-label": "Plot: the arrow keys move the cursor in time",
        "aria-valuemin": 0,
        "aria-valuemax": 100,
        "aria-valuenow": 100,
        pointerdown: (/** @type {PointerEvent} */ event) => this.begin(event),
        pointermove: (/** @type {PointerEvent} */ event) => this.move(event),
        pointerup: (/** @type {PointerEvent} */ event) => this.end(event),
        pointercancel: () => this.abandon(),
        pointerleave: () => this.leave(),
      },
      this.base,
      this.above,
      this.probe,
    );
    new ResizeObserver(() => this.width !== this.layout?.width && this.redraw()).observe(this.element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw(), { signal: this.left.signal });
  }

  /** It is shown no more: nothing of it stays behind. */
  stop() {
    this.left.abort();
  }

  get width() {
    return this.element.clientWidth;
  }

  /** Milliseconds that lie within what nobody can tell apart. */
  get close() {
    return this.picture && this.layout
      ? (CLOSE * (this.picture.range.to - this.picture.range.from)) / (this.layout.right - this.layout.left)
      : 0;
  }

  /** @param {Picture} picture */
  show(picture) {
    this.picture = picture;
    this.redraw();
  }

  /** The same picture in the theme and the size that are now. */
  redraw() {
    if (!this.picture || this.width === 0) return;
    this.layout = layoutOf(this.picture.data, this.picture.range, this.width);
    this.colours = theme(this.probe);
    for (const canvas of [this.base, this.above]) fit(canvas, this.layout.width, this.layout.height);
    draw(scaled(this.base), this.picture, this.layout, this.colours);
    this.drawAbove();
  }

  /** After a change of the theme. */
  tick() {
    if (this.colours && theme(this.probe).ground !== this.colours.ground) this.redraw();
  }

  /**
   * @param {number | null} at
   * @param {string} said what stands there
   */
  place(at, said) {
    this.cursor = at;
    const range = this.picture?.range;
    if (range)
      this.element.setAttribute(
        "aria-valuenow",
        String(at === null ? 100 : Math.round((100 * (at - range.from)) / (range.to - range.from))),
      );
    this.element.setAttribute("aria-valuetext", said || "no data");
    this.drawAbove();
  }

  drawAbove() {
    const { layout, picture, colours } = this;
    if (!layout || !picture || !colours) return;
    const context = scaled(this.above);
    context.clearRect(0, 0, layout.width, layout.height);
    const { x } = scale(layout, picture.range);
    if (this.drag) {
      const [left, right] = [x(this.drag.from), x(this.drag.to)].sort((one, other) => one - other);
      context.fillStyle = colours.edge;
      context.globalAlpha = 0.25;
      context.fillRect(left, 0, right - left, layout.axis);
      context.globalAlpha = 1;
    }
    if (this.cursor === null || this.cursor < picture.range.from || this.cursor > picture.range.to) return;
    context.strokeStyle = colours.text;
    context.setLineDash(this.isPinned ? [] : [3, 3]);
    context.beginPath();
    context.moveTo(Math.round(x(this.cursor)) + 0.5, 0);
    context.lineTo(Math.round(x(this.cursor)) + 0.5, layout.axis);
    context.stroke();
  }

  /** @param {PointerEvent} event */
  timeOf(event) {
    if (!this.layout || !this.picture) return null;
    const left = event.clientX - this.element.getBoundingClientRect().left;
    return scale(this.layout, this.picture.range).at(Math.min(this.layout.right, Math.max(this.layout.left, left)));
  }

  /** @param {PointerEvent} event */
  begin(event) {
    const at = this.timeOf(event);
    if (at === null || event.button !== 0) return;
    this.begunX = event.clientX;
    this.drag = { from: at, to: at };
    this.element.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  move(event) {
    const at = this.timeOf(event);
    if (at === null) return;
    if (this.drag) this.drag.to = at;
    if (this.drag || !this.isPinned) this.told.moved(at, false);
  }

  /** @param {PointerEvent} event */
  end(event) {
    const drag = this.drag;
    this.abandon();
    if (!drag) return;
    const [from, to] = [drag.from, drag.to].sort((one, other) => one - other);
    if (Math.abs(event.clientX - (this.begunX ?? 0)) > DRAG && to > from) this.told.chosen({ from, to });
    else this.told.moved(drag.from, !this.isPinned);
  }

  abandon() {
    this.drag = null;
    this.drawAbove();
  }

  leave() {
    if (!this.isPinned && !this.drag) this.told.moved(null, false);
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
function fit(canvas, width, height) {
  const ratio = devicePixelRatio;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
}

/** @param {HTMLCanvasElement} canvas */
function scaled(canvas) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  return context;
}
