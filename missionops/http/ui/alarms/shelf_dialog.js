// The dialog that puts alarms aside: for a time that ends, with a reason, and with what it would hide.

import * as clock from "../clock.js";
import { h } from "../dom.js";
import { field, select } from "../page.js";
import { get } from "../session.js";
import { alarmMark } from "../state.js";
import { shelve } from "./operator.js";
import { CHECK_WORDS, nameOf } from "./words.js";

/**
 * @typedef {import("./words.js").Alarm} Alarm
 * @typedef {import("./operator.js").ShelfKey} ShelfKey
 */

const TIMES = [
  [300, "5 min"],
  [900, "15 min"],
  [1800, "30 min"],
  [3600, "1 h"],
  [7200, "2 h"],
  [28_800, "8 h"],
  [86_400, "24 h"],
  [604_800, "7 days"],
  [2_592_000, "30 days"],
];
const LISTED = 10;

/**
 * What is shelved, for alarms and a width.
 * @param {Alarm[]} alarms
 * @param {string} width `check`, `parameter` or `spacecraft`
 * @returns {ShelfKey[]}
 */
function keysOf(alarms, width) {
  const found = alarms.map(({ spacecraftId, parameter, check }) => {
    if (width === "spacecraft") return { spacecraftId };
    return width === "parameter" || parameter === null ? { spacecraftId, parameter } : { spacecraftId, parameter, check };
  });
  return [...new Map(found.map((key) => [JSON.stringify(key), key])).values()];
}

/**
 * @param {ShelfKey} key
 * @param {Alarm} alarm
 */
function hides(key, alarm) {
  return (
    key.spacecraftId === alarm.spacecraftId &&
    (key.parameter === undefined || key.parameter === alarm.parameter) &&
    (key.check === undefined || key.check === alarm.check)
  );
}

/** @param {ShelfKey} key */
const text = (key) =>
  [key.spacecraftId, key.parameter === null ? "silent" : key.parameter, key.check && CHECK_WORDS[key.check]].filter(Boolean).join(" ");

export class ShelfDialog {
  /** @param {(sentences: string[]) => void} ended what was done */
  constructor(ended) {
    this.ended = ended;
    /** @type {Alarm[]} */
    this.alarms = [];
    this.what = h("p", { class: "message" });
    this.width = select(
      "parameter",
      [
        ["check", "only this check of the parameter"],
        ["parameter", "every check of the parameter"],
        ["spacecraft", "the whole spacecraft"],
      ],
      () => void this.look(),
    );
    this.time = select(
      "1800",
      TIMES.map(([seconds, name]) => [String(seconds), String(name)]),
      () => this.tellEnd(),
    );
    this.until = h("span", { class: "note" });
    this.reason = h("textarea", { required: true, rows: 3, maxlength: 4096 });
    this.hidden = h("div", { role: "status" });
    this.fault = h("p", { role: "alert" });
    this.form = h(
      "form",
      {
        submit: (/** @type {Event} */ event) => {
          event.preventDefault();
          void this.shelve();
        },
      },
      this.what,
      field("What", this.width),
      h("p", {}, field("For", this.time), " ", this.until),
      field("Reason", this.reason),
      this.hidden,
      this.fault,
      h(
        "p",
        { class: "bar" },
        h("button", { class: "primary" }, "Shelve"),
        h("button", { type: "button", click: () => this.dialog.close() }, "Cancel"),
      ),
    );
    this.dialog = h(
      "dialog",
      { class: "shelf", "aria-labelledby": "shelf", close: () => this.ended([]) },
      h("h2", { id: "shelf" }, "Shelve"),
      this.form,
    );
  }

  get isOpen() {
    return this.dialog.open;
  }

  /** @param {Alarm[]} alarms */
  open(alarms) {
    if (alarms.length === 0) return;
    this.alarms = alarms;
    this.reason.value = "";
    this.fault.textContent = "";
    this.what.textContent =
      alarms.length === 1
        ? nameOf(alarms[0])
        : `${alarms.length} alarms: ${alarms.slice(0, 5).map(nameOf).join(", ")}${alarms.length > 5 ? " …" : ""}`;
    this.tellEnd();
    this.dialog.showModal();
    this.reason.focus();
    void this.look();
  }

  tellEnd() {
    this.until.textContent = `until ${clock.utc(clock.now() + Number(this.time.value) * 1000).slice(0, 16)} UTC, then it ends by itself`;
  }

  /** Say what would be hidden now. */
  async look() {
    const keys = keysOf(this.alarms, this.width.value);
    const crafts = [...new Set(keys.map(({ spacecraftId }) => spacecraftId))];
    try {
      const answers = await Promise.all(
        crafts.slice(0, LISTED).map((spacecraftId) => get("/alarms/active", { spacecraftId, limit: 1000 })),
      );
      const standing = answers.flatMap(({ data }) => data.items).filter((alarm) => keys.some((key) => hides(key, alarm)));
      const isWhole = crafts.length <= LISTED && answers.every(({ cursor }) => cursor === null);
      this.hidden.replaceChildren(
        h(
          "p",
          {},
          `It would hide ${isWhole ? "" : "at least "}${standing.length.toLocaleString("en")} of the alarms that stand now, and all that come before it ends:`,
        ),
        h(
          "ul",
          { class: "hides" },
          ...standing
            .slice(0, LISTED)
            .map((alarm) => h("li", {}, alarmMark(alarm.severity), ` ${nameOf(alarm)} (${CHECK_WORDS[alarm.check]})`)),
          standing.length > LISTED && h("li", {}, `and ${(standing.length - LISTED).toLocaleString("en")} more`),
        ),
      );
    } catch (error) {
      this.hidden.textContent = `What it would hide is not known: ${/** @type {Error} */ (error).message}`;
    }
  }

  async shelve() {
    const said = [];
    try {
      for (const key of keysOf(this.alarms, this.width.value)) {
        const shelf = await shelve(key, Number(this.time.value), this.reason.value.trim());
        said.push(`${text(key)} is shelved until ${clock.utc(shelf.until).slice(0, 16)} UTC; it hides ${shelf.hiding} now.`);
      }
    } catch (error) {
      this.fault.textContent = [...said, /** @type {Error} */ (error).message].join(" ");
      return;
    }
    this.dialog.close();
    this.ended(said);
  }
}
