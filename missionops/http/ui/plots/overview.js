// A strip of all that was ever received of a parameter, with the range that the plot shows: drag over it to choose another.

import { h } from "../dom.js";
import { EVER } from "../range.js";
import { timeTicks } from "./axes.js";
import { load } from "./loading.js";
import { theme } from "./theme.js";

const HEIGHT = 54;
const POINTS = 4000;
const DRAG = 4;
/** Times that it looks closer at where the data lie. */
const TURNS = 4;

/** @typedef {{from: number, to: number}} Span */

export class Overview {
  /** @param {(range: Span) => void} chosen */
  constructor(chosen) {
    this.chosen = chosen;
    /** @type {string | null} */
    this.name = null;
    /** @type {import("./loading.js").Data | null} */
    this.data = null;
    /** @type {Span} */
    this.shown = { from: 0, to: 0 };
    /** @type {Span | null} */
    this.drag = null;
    this.probe = h("span", { hidden: true });
    this.canvas = h("canvas");
    this.element = h(
      "div",
      {
        class: "overview",
        hidden: true,
        title: "All that was received: drag to choose a range",
        pointerdown: (/** @type {PointerEvent} */ event) => this.begin(event),
        pointermove: (/** @type {PointerEvent} */ event) => this.move(event),
        pointerup: () => this.end(),
      },
      this.canvas,
      this.probe,
    );
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /**
   * @param {string} spacecraft
   * @param {string} name
   * @param {AbortSignal} signal
   */
  async load(spacecraft, name, signal) {
    if (this.name === name) return;
    let data = await whole(spacecraft, name, EVER, signal);
    for (let turn = 0; turn < TURNS && data.traces[0].at.length > 0; turn += 1) {
      const trace = data.traces[0];
      const last = trace.to[trace.to.length - 1];
      const isFilled = turn > 0 && last - trace.from[0] > (data.to - data.from) / 2;
      data = isFilled
        ? { ...data, from: trace.from[0], to: last }
        : await whole(spacecraft, name, { from: trace.from[0], to: Math.max(last, trace.from[0] + 1000) }, signal);
      if (isFilled) break;
    }
    this.data = data.traces[0].at.length > 0 ? data : null;
    this.name = name;
    this.element.hidden = this.data === null;
    this.draw();
  }

  /** @param {Span} range what the plot shows */
  show(range) {
    this.shown = range;
    this.draw();
  }

  draw() {
    const width = this.element.clientWidth;
    if (!this.data || width === 0) return;
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(HEIGHT * devicePixelRatio);
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    context.scale(devicePixelRatio, devicePixelRatio);
    const colours = theme(this.probe);
    const {
      from,
      to,
      traces: [trace],
    } = this.data;
    const x = (/** @type {number} */ at) => ((at - from) / (to - from)) * width;
    const [low, high] = [
      trace.min.reduce((one, other) => Math.min(one, Number(other)), Infinity),
      trace.max.reduce((one, other) => Math.max(one, Number(other)), -Infinity),
    ];
    const y = (/** @type {any} */ value) => 32 - ((Number(value) - low) / (high - low || 1)) * 28;
    context.font = '11px system-ui, "DejaVu Sans", sans-serif';
    context.fillStyle = colours.muted;
    context.textAlign = "center";
    for (const tick of timeTicks(from, to, Math.max(1, Math.floor(width / 130))))
      context.fillText(tick.date || tick.label, Math.min(width - 40, Math.max(40, x(tick.at))), HEIGHT - 5);
    context.fillStyle = colours.trace;
    for (let index = 0; index < trace.at.length; index += 1) {
      context.fillRect(
        x(trace.from[index]),
        y(trace.max[index]),
        Math.max(1, x(trace.to[index]) - x(trace.from[index])),
        Math.max(1.5, y(trace.min[index]) - y(trace.max[index])),
      );
    }
    const span = this.drag ?? this.shown;
    const [left, right] = [x(Math.min(span.from, span.to)), x(Math.max(span.from, span.to))];
    context.fillStyle = colours.edge;
    context.globalAlpha = 0.25;
    context.fillRect(left, 0, right - left, 36);
    context.globalAlpha = 1;
    context.strokeStyle = colours.text;
    context.strokeRect(left + 0.5, 0.5, Math.max(2, right - left), 36);
  }

  /** @param {PointerEvent} event */
  timeOf(event) {
    const { from, to } = /** @type {import("./loading.js").Data} */ (this.data);
    const box = this.element.getBoundingClientRect();
    return from + ((event.clientX - box.left) / box.width) * (to - from);
  }

  /** @param {PointerEvent} event */
  begin(event) {
    const at = this.timeOf(event);
    this.drag = { from: at, to: at };
    this.element.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (!this.drag) return;
    this.drag.to = this.timeOf(event);
    this.draw();
  }

  /** A click moves the range, a drag chooses another. */
  end() {
    const { drag, data, shown } = this;
    this.drag = null;
    if (!drag || !data) return;
    const pixels = (Math.abs(drag.to - drag.from) / (data.to - data.from)) * this.element.clientWidth;
    const half = (shown.to - shown.from) / 2;
    this.chosen(
      pixels > DRAG
        ? { from: Math.min(drag.from, drag.to), to: Math.max(drag.from, drag.to) }
        : { from: drag.from - half, to: drag.from + half },
    );
  }
}

/**
 * @param {string} spacecraft
 * @param {string} name
 * @param {Span} range
 * @param {AbortSignal} signal
 */
async function whole(spacecraft, name, range, signal) {
  let data = null;
  for await (const page of load(spacecraft, [name], range, range === EVER ? POINTS : 1000, signal)) data = page;
  return /** @type {import("./loading.js").Data} */ (data);
}
