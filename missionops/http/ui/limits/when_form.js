// The `when` of a rule as a form: in which context, made by other values of the same snapshot, which limits are others.

import { h } from "../dom.js";
import { field } from "../page.js";
import { LIMIT_NAMES } from "../values.js";
import { number, shown } from "./document.js";

/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {import("./document.js").Keys} Keys */
/** @typedef {{parameter: string, test: string, value: string, other: string}} Condition */
/** @typedef {{conditions: Condition[], keys: Record<string, any>}} Context keys: what takes the place of the rule's own */

const MOST = 16;
const NONE = "none";
/** @type {Record<string, string>} */
const TESTS = {
  text: "is the text",
  number: "is the number",
  true: "is true",
  false: "is false",
  below: "is below",
  above: "is above",
  between: "is between",
};

const isObject = (/** @type {any} */ value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether a `when` is of a shape that the form can show. @param {any} when */
export const isShown = (when) =>
  when === undefined || (Array.isArray(when) && when.every((each) => isObject(each) && (each.if === undefined || isObject(each.if))));

/**
 * @param {string} parameter
 * @param {any} value what it is compared with
 * @returns {Condition}
 */
function condition(parameter, value) {
  if (typeof value === "boolean") return { parameter, test: String(value), value: "", other: "" };
  if (!isObject(value)) return { parameter, test: typeof value === "string" ? "text" : "number", value: shown(value), other: "" };
  if (value.above === undefined) return { parameter, test: "below", value: shown(value.below), other: "" };
  if (value.below === undefined) return { parameter, test: "above", value: shown(value.above), other: "" };
  return { parameter, test: "between", value: shown(value.above), other: shown(value.below) };
}

/** @param {Condition} condition */
function compared({ test, value, other }) {
  if (test === "text") return value;
  if (test === "number") return number(value) ?? "";
  if (test === "below" || test === "above") return { [test]: number(value) ?? "" };
  if (test === "between") return { above: number(value) ?? "", below: number(other) ?? "" };
  return test === "true";
}

/**
 * @param {Draft} draft
 * @param {Keys} rule where the rule stands
 * @param {() => Iterable<string>} names parameters that may be compared
 * @param {() => void} asJson
 */
export function whenForm(draft, rule, names, asJson) {
  const place = [...rule, "when"];
  const list = `when-${String(rule.at(-1)).replace(/\s/g, "_")}`;
  const body = h("div");
  /** @type {Context[]} */
  const contexts = (draft.at(place) ?? []).map((/** @type {any} */ { if: given, ...keys }) => ({
    conditions: Object.entries(given ?? {}).map(([parameter, value]) => condition(parameter, value)),
    keys,
  }));
  /** @type {HTMLElement[]} */
  let faults = [];

  function write() {
    const found = contexts.map(({ conditions, keys }) => ({
      if: Object.fromEntries(conditions.filter((each) => each.parameter).map((each) => [each.parameter, compared(each)])),
      ...keys,
    }));
    draft.set(place, found.length > 0 ? found : undefined);
  }

  /** @param {() => void} change */
  function rewrite(change) {
    change();
    write();
    fill();
  }

  /**
   * @param {string} value
   * @param {string} label
   * @param {(value: string) => void} typed
   * @param {Record<string, string>} [more]
   */
  function input(value, label, typed, more = {}) {
    const made = h("input", {
      class: "limit",
      "aria-label": label,
      autocomplete: "off",
      ...more,
      input: () => {
        typed(made.value);
        write();
      },
    });
    made.value = value;
    return made;
  }

  /**
   * @param {Condition} one
   * @param {Context} context
   * @param {number} index
   */
  function conditionRow(one, context, index) {
    const tests = h(
      "select",
      {
        "aria-label": "How it is compared",
        change: () =>
          rewrite(() => {
            one.test = tests.value;
          }),
      },
      ...Object.entries(TESTS).map(([value, word]) => h("option", { value, selected: value === one.test }, word)),
    );
    const value = (/** @type {"value" | "other"} */ key, /** @type {string} */ label) =>
      input(one[key], label, (typed) => {
        one[key] = typed;
      });
    const take = () => rewrite(() => context.conditions.splice(index, 1));
    return h(
      "span",
      { class: "condition" },
      index > 0 ? "and" : "while",
      input(
        one.parameter,
        "Parameter that is compared",
        (typed) => {
          one.parameter = typed.trim();
        },
        { class: "words", list, placeholder: "parameter" },
      ),
      tests,
      one.test === "true" || one.test === "false" ? null : value("value", one.test === "between" ? "Lower end" : "Value"),
      ...(one.test === "between" ? ["and", value("other", "Upper end")] : []),
      h(
        "button",
        { type: "button", "aria-label": `Take this condition away${one.parameter ? `: ${one.parameter}` : ""}`, click: take },
        "×",
      ),
    );
  }

  /**
   * @param {Context} context
   * @param {number} index
   */
  function fieldset(context, index) {
    const fault = h("ul", { class: "faults", role: "status" });
    faults[index] = fault;
    const others = Object.keys(context.keys).filter((key) => !LIMIT_NAMES.some(([name]) => name === key));
    const limit = (/** @type {string} */ key, /** @type {string} */ label) => {
      const own = context.keys[key];
      return field(
        label,
        input(
          own === null ? NONE : shown(own),
          `${label} in context ${index + 1}`,
          (typed) => {
            const given = typed.trim() === NONE ? null : number(typed);
            if (given === undefined) delete context.keys[key];
            else context.keys[key] = given;
          },
          { placeholder: "as the rule" },
        ),
      );
    };
    return h(
      "fieldset",
      { class: "context" },
      h("legend", {}, `Context ${index + 1}${index > 0 ? ": where none above holds" : ""}`),
      fault,
      h(
        "div",
        { class: "conditions" },
        ...context.conditions.map((each, at) => conditionRow(each, context, at)),
        h(
          "button",
          { type: "button", click: () => rewrite(() => context.conditions.push({ parameter: "", test: "text", value: "", other: "" })) },
          "Add a condition",
        ),
      ),
      h("div", { class: "fields" }, ...LIMIT_NAMES.map(([key, label]) => limit(key, label))),
      others.length > 0 && h("p", { class: "note" }, `Also other here: ${others.join(", ")}. `, jsonButton()),
      h("button", { type: "button", click: () => rewrite(() => contexts.splice(index, 1)) }, "Remove this context"),
    );
  }

  const jsonButton = () => h("button", { type: "button", click: asJson }, "Show as JSON");

  function fill() {
    faults = [];
    const add = () => rewrite(() => contexts.push({ conditions: [{ parameter: "", test: "text", value: "", other: "" }], keys: {} }));
    body.replaceChildren(
      h("datalist", { id: list }, ...[...names()].map((name) => h("option", { value: name }))),
      ...contexts.map(fieldset),
      contexts.length < MOST ? h("button", { type: "button", click: add }, "Add a context") : "",
    );
  }

  /**
   * Show what the service says; returns what is not about a context.
   * @template {{inner: string, message: string}} Said
   * @param {Said[]} own
   */
  function say(own) {
    for (const [index, place] of faults.entries()) {
      const prefix = `when.${index}`;
      const found = own.filter(({ inner }) => inner === prefix || inner.startsWith(`${prefix}.`));
      place.replaceChildren(
        ...found.map(({ inner, message }) => h("li", { class: "fault" }, `${inner.slice(prefix.length + 1)} ${message}`.trim())),
      );
    }
    return own.filter(({ inner }) => !faults.some((_, index) => inner === `when.${index}` || inner.startsWith(`when.${index}.`)));
  }

  fill();
  const note = `Other limits while other parameters of the same snapshot have certain values; “${NONE}” takes a limit away, an empty field leaves it as it is.`;
  return { view: h("fieldset", {}, h("legend", {}, "In certain contexts (when)"), h("p", { class: "note" }, note), body), say };
}
