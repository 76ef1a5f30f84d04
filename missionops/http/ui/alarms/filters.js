// What is asked for, in the link: each field of the bar is one setting of the address.

import { h } from "../dom.js";
import { field, search, select } from "../page.js";
import { change } from "../route.js";
import { TimeFields } from "../time_fields.js";
import { CHECK_WORDS, SEVERITIES, STATE_WORDS, word } from "./words.js";

const STATES = {
  ACTIVE: "Active, all",
  UNACKNOWLEDGED: "Not acknowledged, all",
  ...STATE_WORDS,
  ACTIVE_UNACKNOWLEDGED: "Active, not acknowledged",
};
const STANDING = ["ACTIVE", "UNACKNOWLEDGED", "ACTIVE_UNACKNOWLEDGED", "ACTIVE_ACKNOWLEDGED", "RETURNED_UNACKNOWLEDGED"];

/** What is no longer of use when something else is asked for. */
const FIRST_PAGE = { after: null, skip: null };

export class Filters {
  /** @param {URLSearchParams} query */
  constructor(query) {
    this.query = query;
    const words = (/** @type {Record<string, string>} */ found, /** @type {string[]} */ keys) =>
      keys.map((key) => /** @type {[string, string]} */ ([key, found[key]]));
    const set = (/** @type {string} */ name) => (/** @type {string} */ value) => change({ ...FIRST_PAGE, [name]: value });
    /** @type {Record<string, any>} */
    this.inputs = {
      q: search("", "any text", set("q")),
      sc: search("", "all", set("sc")),
      subsystem: search("", "all", set("subsystem")),
      state: select("", [["", "All states"], ...words(/** @type {any} */ (STATES), Object.keys(STATES))], set("state")),
      severity: select(
        "",
        [
          ["", "All severities"],
          ...SEVERITIES.slice(1).map(
            (each) => /** @type {[string, string]} */ ([each, each === "CRITICAL" ? "Critical" : `${word(each)} and above`]),
          ),
        ],
        set("severity"),
      ),
      check: select("", [["", "All checks"], ...words(CHECK_WORDS, Object.keys(CHECK_WORDS))], set("check")),
    };
    for (const name of ["q", "sc", "subsystem", "state", "severity"]) this.inputs[name].classList.add("short");
    this.times = new TimeFields((changes) => change({ ...FIRST_PAGE, ...changes }));
    this.others = h(
      "span",
      { class: "times" },
      field("State", this.inputs.state),
      field("Severity", this.inputs.severity),
      field("Subsystem", this.inputs.subsystem),
    );
    this.view = h(
      "div",
      {},
      h(
        "div",
        { class: "bar" },
        field("Search", this.inputs.q),
        field("Spacecraft", this.inputs.sc),
        field("Check", this.inputs.check),
        this.others,
        this.times.view,
      ),
      this.times.fault,
    );
    this.show(query);
  }

  get tab() {
    const tab = this.query.get("tab");
    return tab === "shelved" || tab === "history" ? tab : "active";
  }

  /** @param {URLSearchParams} query */
  show(query) {
    this.query = query;
    const isHistory = this.tab === "history";
    this.times.view.hidden = !isHistory;
    this.times.show(query);
    this.others.hidden = this.tab === "shelved";
    for (const option of this.inputs.state.options) option.hidden = option.value !== "" && !isHistory && !STANDING.includes(option.value);
    for (const [name, input] of Object.entries(this.inputs)) if (document.activeElement !== input) input.value = this.value(name) ?? "";
  }

  /**
   * A setting of the link, if it is one that there is: an old link still opens.
   * @param {string} name
   * @returns {string | null}
   */
  value(name) {
    const value = this.query.get(name);
    if (name === "state")
      return value && Object.hasOwn(STATES, value) && (this.tab === "history" || STANDING.includes(value)) ? value : null;
    if (name === "severity") return SEVERITIES.find((each) => each === value) ?? null;
    if (name === "check") return value && Object.hasOwn(CHECK_WORDS, value) ? value : null;
    return value;
  }

  /** Whether anything but all is asked for. */
  get isAny() {
    return ["q", "sc", "subsystem", "state", "severity", "check", "from", "to"].some((name) => this.value(name));
  }

  /** As the operations have it. */
  get request() {
    return {
      q: this.value("q"),
      spacecraftId: this.value("sc"),
      subsystem: this.value("subsystem"),
      state: this.value("state"),
      minSeverity: this.value("severity"),
      check: this.value("check"),
      ...(this.tab === "history" ? this.times.request : { from: null, to: null }),
      cursor: this.value("after"),
    };
  }
}
