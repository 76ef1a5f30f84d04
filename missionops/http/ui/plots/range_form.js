// The range of a plot as it is typed and chosen.

import * as clock from "../clock.js";
import { h } from "../dom.js";
import { field } from "../page.js";
import { duration, durationText, iso, time } from "../range.js";

const SPANS = ["10m", "1h", "6h", "1d", "7d", "30d", "1y"];

/** @typedef {import("../range.js").Range} Range */

export class RangeForm {
  /**
   * @param {(range: Range) => void} chosen
   * @param {{live: () => void, back: () => void, move: (windows: number) => void, zoom: (factor: number) => void}} acts
   */
  constructor(chosen, acts) {
    this.chosen = chosen;
    this.from = h("input", { class: "moment", autocomplete: "off", spellcheck: "false", "aria-describedby": "range-fault" });
    this.to = h("input", { class: "moment", autocomplete: "off", spellcheck: "false", "aria-describedby": "range-fault" });
    this.fault = h("span", { id: "range-fault", class: "time-fault", role: "alert", hidden: true });
    this.mode = h("span", { class: "mode", role: "status" });
    this.live = h("button", { type: "button", title: "Space", click: acts.live });
    const button = (/** @type {string} */ text, /** @type {string} */ name, /** @type {string} */ key, /** @type {() => void} */ click) =>
      h("button", { type: "button", "aria-label": name, title: `${name} (${key})`, click }, text);
    this.spans = SPANS.map((span) => h("button", { type: "button", click: () => this.last(span) }, span));
    this.element = h(
      "form",
      { class: "bar range", submit: (/** @type {Event} */ event) => this.apply(event) },
      h("span", { class: "chips" }, this.mode, this.live),
      h("span", { class: "chips", role: "group", "aria-label": "The last" }, ...this.spans),
      field("From", this.from),
      field("To", this.to),
      h("button", {}, "Apply"),
      h(
        "span",
        { class: "chips" },
        button("◀", "Half a window back", "Shift ←", () => acts.move(-0.5)),
        button("▶", "Half a window on", "Shift →", () => acts.move(0.5)),
        button("+", "Zoom in", "+", () => acts.zoom(0.5)),
        button("−", "Zoom out", "−", () => acts.zoom(2)),
        button("↶", "Back to the range before", "b", acts.back),
      ),
      this.fault,
    );
  }

  /** @param {string} span */
  last(span) {
    const length = /** @type {number} */ (duration(span));
    const now = clock.now();
    this.chosen({ from: now - length, to: now, last: length });
  }

  /** @param {Event} event */
  apply(event) {
    event.preventDefault();
    const [from, to] = this.from.value.includes("/") ? this.from.value.split("/") : [this.from.value, this.to.value || "now"];
    this.typed(from, to);
  }

  /**
   * @param {string} from
   * @param {string} to
   */
  typed(from, to) {
    const now = clock.now();
    const [first, last] = [time(from, now), time(to, now)];
    const fault =
      typeof first === "string"
        ? `From: ${first}`
        : typeof last === "string"
          ? `To: ${last}`
          : first >= last
            ? "From has to lie before To."
            : "";
    this.fault.textContent = fault;
    this.fault.hidden = !fault;
    this.from.setAttribute("aria-invalid", String(fault !== "" && typeof last !== "string"));
    this.to.setAttribute("aria-invalid", String(fault !== "" && typeof first !== "string"));
    if (typeof first === "string" || typeof last === "string" || fault) return;
    const follows = to.trim().toLowerCase() === "now" && /^(now)?\s*-/i.test(from.trim());
    this.chosen({ from: first, to: last, last: follows ? last - first : null });
  }

  /**
   * Whether the plot follows the present: it cannot while the link is lost.
   * @param {Range} range
   */
  showMode(range) {
    const isLive = range.last !== null;
    const isLost = document.body.classList.contains("lost");
    const text = isLive ? (isLost ? "OLD" : "LIVE") : "PAUSED";
    if (this.mode.textContent === text) return;
    this.mode.textContent = text;
    this.mode.title = isLive && !isLost ? "The plot follows the present." : "The plot does not show what comes in now.";
    this.mode.classList.toggle("paused", !isLive || isLost);
  }

  /** @param {Range} range */
  show(range) {
    const isLive = range.last !== null;
    this.showMode(range);
    this.live.textContent = isLive ? "Pause" : "Back to live";
    for (const span of this.spans) span.setAttribute("aria-pressed", String(isLive && duration(span.textContent) === range.last));
    const isEdited = document.activeElement === this.from || document.activeElement === this.to;
    if (isEdited && isLive) return; // what somebody types stays
    this.from.value = isLive ? `-${durationText(/** @type {number} */ (range.last))}` : iso(range.from);
    this.to.value = isLive ? "now" : iso(range.to);
    this.fault.hidden = true;
    this.from.setAttribute("aria-invalid", "false");
    this.to.setAttribute("aria-invalid", "false");
  }
}
