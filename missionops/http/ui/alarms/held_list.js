// Rows that do not move away: while somebody points at them, has selected some, or writes, their order stays.

import { h, keyed } from "../dom.js";

/** @typedef {import("./words.js").Alarm} Alarm */

export class HeldList {
  /**
   * @param {HTMLTableSectionElement} body
   * @param {(alarm: any) => HTMLElement} row
   * @param {() => boolean} isBusy something is selected, typed or open
   */
  constructor(body, row, isBusy) {
    this.body = body;
    this.row = row;
    this.isBusy = isBusy;
    this.isPointedAt = false;
    /** What is to be done whenever the rows were made anew. */
    this.rendered = () => {};
    /** @type {Alarm[]} */
    this.shown = [];
    /** @type {Alarm[] | null} */
    this.waiting = null;
    this.news = h("button", { type: "button", hidden: true, click: () => this.release() });
    this.place = h("div", { class: "news-place" }, this.news);
    body.addEventListener("pointerenter", () => {
      this.isPointedAt = true;
    });
    body.addEventListener("pointerleave", () => {
      this.isPointedAt = false;
      this.settle();
    });
    body.addEventListener("focusout", () => setTimeout(() => this.settle()));
  }

  get isHeld() {
    const selection = getSelection();
    const isReading = selection !== null && !selection.isCollapsed && this.body.contains(selection.anchorNode);
    return this.isPointedAt || isReading || this.body.contains(document.activeElement) || this.isBusy();
  }

  /** @param {Alarm[]} found */
  show(found) {
    if (this.shown.length === 0 || !this.isHeld) {
      this.fill(found);
      return;
    }
    const now = new Map(found.map((alarm) => [alarm.id, alarm]));
    const known = new Set(this.shown.map(({ id }) => id));
    this.shown = this.shown.map((alarm) => now.get(alarm.id) ?? { ...alarm, isGone: true });
    this.render();
    const fresh = found.filter(({ id }) => !known.has(id));
    const isMoved = fresh.length > 0 || found.some(({ id }, index) => this.shown[index]?.id !== id) || found.length !== this.shown.length;
    this.waiting = isMoved ? found : null;
    const high = fresh.filter(({ severity }) => severity === "HIGH" || severity === "CRITICAL").length;
    this.news.textContent = fresh.length
      ? `${fresh.length} new${high ? `, ${high} of them High or Critical` : ""}: show`
      : "The order has changed: show";
    this.news.hidden = !isMoved;
  }

  /** Show what waits, if nothing holds the rows any more. */
  settle() {
    if (this.waiting && !this.isHeld) this.release();
  }

  release() {
    if (this.waiting) this.fill(this.waiting);
  }

  /** Another list is asked for. */
  clear() {
    this.fill([]);
  }

  /** @param {Alarm[]} found */
  fill(found) {
    this.shown = found;
    this.waiting = null;
    this.news.hidden = true;
    this.render();
  }

  render() {
    keyed(this.body, this.shown, (alarm) => alarm.id, this.row);
    this.rendered();
  }

  /** @param {string} id */
  get(id) {
    return this.shown.find((alarm) => alarm.id === id);
  }
}
