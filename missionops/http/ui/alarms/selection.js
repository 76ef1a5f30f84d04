// Which alarms are chosen, and as what they were seen: what has changed since is not acknowledged unseen.

import { moveFocus } from "../page.js";

/** @typedef {import("./words.js").Alarm} Alarm */

export class Selection {
  /**
   * @param {HTMLTableElement} table
   * @param {import("./held_list.js").HeldList} list
   * @param {() => void} changed
   */
  constructor(table, list, changed) {
    this.table = table;
    this.list = list;
    this.changed = changed;
    /** @type {Map<string, Alarm>} by id the alarm as it was when it was chosen */
    this.chosen = new Map();
    /** @type {string | null} */
    this.lastClicked = null;
    table.addEventListener("click", (event) => this.clicked(event));
    table.addEventListener("focusin", (event) => this.pointed(/** @type {HTMLElement} */ (event.target)));
    /** @type {Alarm | null} the alarm that has the focus, as it was when it got it */
    this.current = null;
  }

  /** @param {HTMLElement} target */
  pointed(target) {
    const id = /** @type {HTMLElement | null} */ (target.closest("tr.alarm"))?.dataset.key;
    if (id && id !== this.current?.id) this.current = this.list.get(id) ?? null;
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const target = /** @type {HTMLInputElement} */ (event.target);
    if (target.matches("[data-all]")) {
      for (const alarm of this.list.shown) this.set(alarm, target.checked);
    } else if (target.matches("[data-choice]")) {
      const id = target.dataset.choice ?? "";
      const ids = this.list.shown.map((alarm) => alarm.id);
      const [from, to] = [ids.indexOf(event.shiftKey && this.lastClicked ? this.lastClicked : id), ids.indexOf(id)].sort((a, b) => a - b);
      for (const alarm of this.list.shown.slice(from, to + 1)) this.set(alarm, target.checked);
      this.lastClicked = id;
    } else return;
    this.show();
  }

  /**
   * @param {Alarm} alarm
   * @param {boolean} isChosen
   */
  set(alarm, isChosen) {
    if (!isChosen) this.chosen.delete(alarm.id);
    else if (!this.chosen.has(alarm.id)) this.chosen.set(alarm.id, alarm);
  }

  clear() {
    this.chosen.clear();
    this.show();
    this.list.settle();
  }

  /** Marks on the page what is chosen. */
  show() {
    for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (this.table.querySelectorAll("[data-choice]"))) {
      input.checked = this.chosen.has(input.dataset.choice ?? "");
      input.closest("tr")?.classList.toggle("chosen", input.checked);
    }
    const all = /** @type {HTMLInputElement | null} */ (this.table.querySelector("[data-all]"));
    if (all) {
      all.checked = this.chosen.size > 0 && this.list.shown.every(({ id }) => this.chosen.has(id));
      all.indeterminate = this.chosen.size > 0 && !all.checked;
    }
    this.changed();
  }

  /** What an action is for: what is chosen, else the row that has the focus. */
  get targets() {
    if (this.chosen.size > 0) return [...this.chosen.values()];
    return this.current && this.table.contains(document.activeElement) ? [this.current] : [];
  }

  /**
   * Move the focus by rows.
   * @param {number} by
   */
  move(by) {
    moveFocus(/** @type {NodeListOf<HTMLElement>} */ (this.table.querySelectorAll("a.open")), by);
  }

  /** Choose the row that has the focus, or choose it no longer. */
  toggle() {
    const row = document.activeElement?.closest("tr.alarm");
    const input = /** @type {HTMLInputElement | null} */ (row?.querySelector("[data-choice]") ?? null);
    input?.click();
  }

  /**
   * These were looked at again: what they are now is what was seen.
   * @param {Alarm[]} alarms
   */
  seen(alarms) {
    for (const alarm of alarms) {
      if (this.chosen.has(alarm.id)) this.chosen.set(alarm.id, alarm);
      if (this.current?.id === alarm.id) this.current = alarm;
    }
  }
}
