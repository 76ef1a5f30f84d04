// The table of parameters, seen or ruled: their limits, what was observed, and whether the rule does anything.

import { h, keyed } from "../dom.js";
import { shown } from "./document.js";
import { ruleForm } from "./rule_form.js";

/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {{name: string, rule: any, why: string, kind: Kind, observed: any, comparison: any, isChanged: boolean, faults: number}} Row */
/** @typedef {"works" | "unruled" | "unmet" | "off" | "new"} Kind */

const LIMITS = ["critLow", "warnLow", "warnHigh", "critHigh"];
const BANDS = ["severeLow", "watchLow", "watchHigh", "severeHigh", "deadband"];
/** @type {Record<string, string>} */
const WHY = {
  "never seen": "rule never met: this parameter was never seen",
  text: "rule not met: what comes is of another kind",
  "no value": "rule not met: only null comes",
  "not for long": "rule not met for 24 h, though others come",
};
/** @type {[string, boolean][]} name, and whether it is of numbers */
const COLUMNS = [
  ["Parameter", false],
  ["Rule", false],
  ...LIMITS.map((name) => /** @type {[string, boolean]} */ ([name, true])),
  ["Other checks", false],
  ["Unit", false],
  ...["Min", "1 %", "99 %", "Max", "Alarms", "In alarm"].map((name) => /** @type {[string, boolean]} */ ([name, true])),
];

/**
 * What the table is about, by name.
 * @param {Draft} draft
 * @param {any} checked the response of config.check; null without a config
 * @param {string[]} seen parameters that were reported, where there is no config
 * @param {import("./preview.js").Preview | null} preview
 * @returns {Row[]}
 */
export function rows(draft, checked, seen, preview) {
  const { rules } = draft;
  const faults = draft.faultCounts();
  const checks = new Map((checked?.rules ?? []).map((/** @type {any} */ each) => [each.parameter, each]));
  const unruled = new Set(checked?.unruled ?? seen);
  const changed = new Set(draft.differences().map((each) => (each.keys[0] === "parameters" ? each.keys[1] : undefined)));
  const names = [...new Set([...Object.keys(rules), ...checks.keys(), ...unruled])].sort();
  return names.map((name) => {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    const check = checks.get(name);
    /** @type {Kind} */
    const kind = rule === undefined ? "unruled" : rule?.off !== undefined ? "off" : !check ? "new" : check.why ? "unmet" : "works";
    const why = {
      works: () => `met ${check.met.toLocaleString("en")} of newest 1,000`,
      unruled: () => (check ? "rule taken away" : "seen without rule"),
      unmet: () => WHY[check.why] ?? check.why,
      off: () => `off: ${rule.off}`,
      new: () => (unruled.has(name) ? "not in force yet" : "never seen, not in force yet"),
    }[kind]();
    const comparison = preview?.parameters.get(name);
    const { digest: _, ...observed } = comparison?.observed ?? {};
    const sides = comparison && {
      alarms: [comparison.now.alarms, comparison.then.alarms],
      seconds: [comparison.now.seconds, comparison.then.seconds],
    };
    return {
      name,
      rule,
      why,
      kind,
      observed: comparison?.observed && observed,
      comparison: sides,
      isChanged: changed.has(name),
      faults: faults.get(name) ?? 0,
    };
  });
}

export class LimitsTable {
  /**
   * @param {Draft} draft
   * @param {() => void} asJson
   */
  constructor(draft, asJson) {
    this.draft = draft;
    this.asJson = asJson;
    /** @type {Map<string, () => void>} open forms, with what brings them up to date */
    this.open = new Map();
    this.body = h("tbody");
    /** @type {Row[]} */
    this.rows = [];
    /** @type {string[]} every parameter, also those that are not shown */
    this.names = [];
    this.view = h(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": "Limits, in a table that scrolls sideways" },
      h(
        "table",
        { class: "wide limits" },
        h("caption", { class: "unseen" }, "Parameters with their limits and what was observed"),
        h(
          "thead",
          {},
          h("tr", {}, ...COLUMNS.map(([text, isNumber]) => h("th", { scope: "col", class: isNumber ? "number" : null }, text))),
        ),
        this.body,
      ),
    );
  }

  /** @param {Row[]} found */
  fill(found) {
    this.rows = found;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.name;
    /** @type {any[]} */
    const items = found.flatMap((/** @type {any} */ row) =>
      this.open.has(row.name)
        ? [
            { ...row, isOpen: true },
            { form: row.name, of: this.draft.generation },
          ]
        : [row],
    );
    keyed(
      this.body,
      items,
      (item) => (item.form === undefined ? `row ${item.name}` : `form ${item.form} ${item.of}`),
      (item) => (item.form === undefined ? this.row(item) : this.form(item.form)),
    );
    for (const say of this.open.values()) say();
    if (focused !== undefined && !document.activeElement?.matches("[data-name], .rule *")) this.focus(focused);
  }

  /** @param {string} name */
  focus(name) {
    for (const button of this.body.querySelectorAll("button[data-name]")) if (button.dataset.name === name) button.focus();
  }

  /** @param {string} name */
  edit(name) {
    if (this.open.has(name)) this.open.delete(name);
    else this.open.set(name, () => {});
    this.fill(this.rows);
    if (this.open.has(name)) this.body.querySelector(`form[aria-label="${CSS.escape(`Rule of ${name}`)}"] input`)?.focus();
    else this.focus(name);
  }

  /** @param {string} name */
  form(name) {
    const { view, say } = ruleForm(this.draft, name, { close: () => this.edit(name), asJson: this.asJson, names: () => this.names });
    this.open.set(name, say);
    return h("tr", { class: "editing" }, h("td", { colspan: COLUMNS.length }, view));
  }

  /** @param {Row & {isOpen?: boolean}} row */
  row(row) {
    const { rule, observed, comparison } = row;
    const limit = (/** @type {string} */ key) => h("td", { class: "number" }, shown(rule?.[key]));
    const seen = (/** @type {string} */ key) => h("td", { class: "number observed" }, observed ? short(observed[key]) : "");
    const button = h(
      "button",
      { type: "button", "data-name": row.name, "aria-expanded": row.isOpen ? "true" : "false", click: () => this.edit(row.name) },
      row.rule === undefined ? "Add rule" : "Edit",
    );
    return h(
      "tr",
      { class: row.isChanged ? "changed" : null },
      h(
        "th",
        { scope: "row", class: "name" },
        h("span", { class: "clip", title: rule?.description ?? row.name }, row.name),
        button,
        row.isChanged && h("span", { class: "tag" }, "changed"),
        row.faults > 0 && h("span", { class: "tag fault" }, `${row.faults} to see`),
      ),
      h("td", { class: row.kind }, row.why),
      ...LIMITS.map(limit),
      h("td", {}, others(rule)),
      h("td", { class: "clip" }, shown(rule?.unit)),
      ...["min", "p01", "p99", "max"].map(seen),
      h("td", { class: "number" }, comparison ? between(comparison.alarms, count) : ""),
      h("td", { class: "number" }, comparison ? between(comparison.seconds, minutes) : ""),
    );
  }
}

/** @param {any} rule */
function others(rule) {
  if (typeof rule !== "object" || rule === null) return "";
  const found = BANDS.filter((key) => rule[key] !== undefined).map((key) => `${key} ${shown(rule[key])}`);
  if (rule.states) found.push(`states ${Object.keys(rule.states).join(", ")}`);
  if (rule.change) found.push(`change per ${rule.change.per}`);
  if (rule.staleAfter !== undefined) found.push(`stale after ${shown(rule.staleAfter)} s`);
  if (rule.raise || rule.clear) found.push("raise and clear");
  if (rule.when?.length) found.push(`${rule.when.length} when`);
  if (rule.maskedBy) found.push(`masked by ${rule.maskedBy}`);
  return found.join("; ");
}

/** @param {any} value */
export const short = (value) =>
  typeof value === "bigint" || Number.isInteger(value) ? String(value) : String(Number(Number(value).toPrecision(6)));

const count = (/** @type {number} */ value) => value.toLocaleString("en");

/** @param {number} seconds */
export const minutes = (seconds) => `${(seconds / 60).toLocaleString("en", { maximumFractionDigits: seconds < 600 ? 1 : 0 })} min`;

/**
 * What is now, and what would be where that is something else.
 * @param {[number, number]} values
 * @param {(value: number) => string} form
 */
export function between(values, form) {
  const [now, then] = values.map(form);
  return now === then ? now : h("b", {}, `${now} → ${then}`);
}
