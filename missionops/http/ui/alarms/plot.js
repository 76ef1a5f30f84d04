// The plot of an alarm's parameter around its time, beside the alarm; the whole plot is one click away.

import { now } from "../clock.js";
import { h } from "../dom.js";
import { load } from "../plots/loading.js";
import { Readout } from "../plots/readout.js";
import { PlotView } from "../plots/view.js";
import { around, plotLink } from "./words.js";

/** @typedef {import("./words.js").Alarm} Alarm */

/** Milliseconds after which the plot of an alarm that goes on is drawn again. */
const APART = 5000;

export class AlarmPlot {
  constructor() {
    /** @type {Alarm | null} */
    this.alarm = null;
    this.drawnAt = -APART;
    this.revision = 0;
    this.readout = new Readout();
    this.plot = new PlotView({
      moved: (at) => this.tell(at),
      chosen: ({ from, to }) => {
        if (this.alarm) location.hash = plotLink(this.alarm, { from, to });
      },
    });
    this.whole = h("p");
    this.note = h("p", { class: "note", role: "status" });
    this.view = h("section", { class: "alarm-plot", hidden: true }, this.whole, this.plot.element, this.note, this.readout.element);
  }

  /** @param {number | null} at */
  tell(at) {
    const { plot } = this;
    if (plot.picture) plot.place(at, this.readout.show(plot.picture.data, at, plot.close));
  }

  /**
   * @param {Alarm} alarm
   * @param {AbortSignal} signal
   */
  async ask(alarm, signal) {
    this.alarm = alarm;
    const { parameter, spacecraftId, unit } = alarm;
    this.view.hidden = parameter === null;
    if (parameter === null) return;
    const range = around(alarm, now());
    this.whole.replaceChildren(h("a", { href: plotLink(alarm, range) }, `Plot of ${parameter} around its time`));
    const isDue = alarm.end === null && performance.now() - this.drawnAt > APART;
    if (!isDue && this.revision === alarm.revision) return;
    this.revision = alarm.revision;
    this.drawnAt = performance.now();
    for await (const data of load(spacecraftId, [parameter], range, this.plot.width - 100, signal)) {
      signal.throwIfAborted();
      this.plot.show({ data, range, now: now(), units: new Map(unit ? [[parameter, unit]] : []) });
      this.note.textContent = data.isComplete ? "" : "Loading …";
    }
    this.tell(this.plot.cursor);
  }
}
