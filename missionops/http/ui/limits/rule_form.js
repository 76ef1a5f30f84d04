// The rule of one parameter as a form: each field writes its key of the draft, and shows what the service says of it.

import { h } from "../dom.js";
import { field } from "../page.js";
import { LIMIT_NAMES } from "../values.js";
import { number, shown } from "./document.js";
import { isShown, whenForm } from "./when_form.js";

/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {import("./document.js").Keys} Keys */
/** @typedef {[string, string, ((field: Field) => HTMLElement)?, string?]} Row key with dots, label, input (a number's if not given), hint */

const SEVERITIES = ["LOW", "MEDIUM", "HIGH", "CRITICAL"];
const SEVERITY = [["", "not set"], ...SEVERITIES.map((each) => [each, each.toLowerCase()])];

/** One key of the draft: its value, and what is said about it. */
export class Field {
  /**
   * @param {Draft} draft
   * @param {Keys} rule where the rule stands
   * @param {string} path from there
   */
  constructor(draft, rule, path) {
    this.draft = draft;
    this.rule = rule;
    this.path = path;
  }

  get keys() {
    return [...this.rule, ...this.path.split(".")];
  }

  get value() {
    return this.draft.at(this.keys);
  }

  /** @param {any} value */
  set(value) {
    this.draft.set(this.keys, value);
  }
}

/** @param {Field} field */
export function numeric(field) {
  const input = h("input", { inputmode: "decimal", class: "limit", autocomplete: "off", input: () => field.set(number(input.value)) });
  input.value = shown(field.value);
  return input;
}

/** @param {Field} field */
export function texts(field) {
  const input = h("input", { class: "words", maxlength: 4096, autocomplete: "off", input: () => field.set(input.value || undefined) });
  input.value = shown(field.value);
  return input;
}

/** @param {Field} field */
function longText(field) {
  const input = h("textarea", { rows: 2, maxlength: 4096, input: () => field.set(input.value || undefined) });
  input.value = shown(field.value);
  return input;
}

/** @param {Field} field */
function list(field) {
  const input = h("input", {
    class: "words",
    autocomplete: "off",
    input: () => {
      const items = input.value
        .split(",")
        .map((/** @type {string} */ each) => each.trim())
        .filter(Boolean);
      field.set(items.length > 0 ? items : undefined);
    },
  });
  input.value = Array.isArray(field.value) ? field.value.join(", ") : shown(field.value);
  return input;
}

/** What the words of a choice stand for that are no texts. @type {Record<string, any>} */
const MEANT = { "": undefined, null: null, true: true, false: false };

/**
 * A choice; a value that is none of them is shown as none.
 * @param {any} value
 * @param {string[][]} choices value as JSON or text, and word
 * @param {(value: any) => void} set
 */
function choosing(value, choices, set) {
  const input = h(
    "select",
    { change: () => set(Object.hasOwn(MEANT, input.value) ? MEANT[input.value] : input.value) },
    ...choices.map(([each, word]) => h("option", { value: each }, word)),
  );
  input.value = value === undefined ? "" : String(value);
  return input;
}

/** @param {string[][]} choices */
const choice = (choices) => (/** @type {Field} */ field) => choosing(field.value, choices, (value) => field.set(value));

/** @type {[string, Row[]][]} */
const GROUPS = [
  ["Limits", [...LIMIT_NAMES, ["deadband", "Deadband"]]],
  [
    "Raise and clear",
    [
      ["raise.samples", "Raise after samples"],
      ["raise.seconds", "Raise after seconds"],
      ["clear.samples", "Clear after samples"],
      ["clear.seconds", "Clear after seconds"],
      [
        "acknowledge",
        "Has to be acknowledged",
        choice([
          ["", "yes (not set)"],
          ["true", "yes"],
          ["false", "no"],
        ]),
      ],
    ],
  ],
  [
    "Change from one number to the next",
    [
      [
        "change.per",
        "Per",
        choice([
          ["", "not checked"],
          ["second", "second"],
          ["sample", "sample"],
        ]),
      ],
      ["change.watch", "Watch above"],
      ["change.warn", "Warning above"],
      ["change.crit", "Critical above"],
      ["change.severe", "Severe above"],
      ["change.within", "Number before at most (s)"],
    ],
  ],
  [
    "Missing while others come",
    [
      ["staleAfter", "Stale after seconds"],
      ["staleSeverity", "Severity", choice(SEVERITY)],
    ],
  ],
  [
    "For people",
    [
      ["unit", "Unit", texts],
      ["subsystem", "Subsystem", texts],
      ["description", "Description", texts],
      ["guidance", "Guidance: what to do", longText],
      ["documents", "Documents, ids between commas", list],
    ],
  ],
  [
    "Out of service",
    [
      ["off", "Checks nothing because", texts],
      ["maskedBy", "Masked by the alarms of", texts],
    ],
  ],
];

/**
 * @param {Draft} draft
 * @param {string} parameter
 * @param {{close: () => void, asJson: () => void, names: () => Iterable<string>}} actions names: of all parameters
 */
export function ruleForm(draft, parameter, { close, asJson, names }) {
  const rule = ["parameters", parameter];
  /** @type {Map<string, {input: HTMLElement, said: HTMLElement}>} */
  const fields = new Map();
  let count = 0;
  const row = (/** @type {Row} */ [path, label, input = numeric]) => {
    const made = input(new Field(draft, rule, path));
    const said = h("span", { class: "fault", id: `fault-${draft.generation}-${parameter}-${count++}`.replace(/\s/g, "_"), hidden: true });
    fields.set(path, { input: made, said });
    return field(label, made, said);
  };
  const others = h("ul", { class: "faults", role: "status" });
  const contexts = isShown(draft.at([...rule, "when"])) ? whenForm(draft, rule, names, asJson) : null;
  const states = stateFields(draft, rule);
  const form = h(
    "form",
    {
      class: "rule",
      "aria-label": `Rule of ${parameter}`,
      submit: (/** @type {Event} */ event) => event.preventDefault(),
      keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && close(),
    },
    others,
    ...GROUPS.slice(0, 2).map(([name, rows]) => group(name, rows.map(row))),
    states.view,
    ...GROUPS.slice(2).map(([name, rows]) => group(name, rows.map(row))),
    contexts?.view ??
      h(
        "p",
        { class: "note" },
        "The when of this rule is of no shape that this form can show. ",
        h("button", { type: "button", click: asJson }, "Show as JSON"),
      ),
    h(
      "div",
      { class: "bar" },
      h("button", { type: "button", click: close }, "Close"),
      h("button", { type: "button", click: () => draft.replace(draft.without(parameter)) }, "Remove this rule"),
      h("button", { type: "button", click: () => draft.replace(draft.asBefore(parameter)) }, "As before the draft"),
    ),
  );

  /** Show what the service says now. */
  function say() {
    const own = draft.faultsOf(parameter);
    for (const [path, { input, said }] of fields) {
      const text = own
        .filter((each) => each.inner === path)
        .map((each) => each.message)
        .join("; ");
      said.textContent = text;
      said.hidden = !text;
      input.toggleAttribute("aria-invalid", Boolean(text));
      if (text) {
        input.setAttribute("aria-invalid", "true");
        input.setAttribute("aria-describedby", said.id);
      }
    }
    const unknown = own.filter((each) => !fields.has(each.inner));
    const left = contexts ? contexts.say(unknown) : unknown;
    others.replaceChildren(...left.map((each) => h("li", {}, each.inner ? `${each.inner}: ${each.message}` : each.message)));
  }
  say();
  return { view: form, say };
}

/**
 * @param {string} name
 * @param {HTMLElement[]} rows
 */
const group = (name, rows) => h("fieldset", {}, h("legend", {}, name), h("div", { class: "fields" }, ...rows));

/**
 * Values as text, each with its severity.
 * @param {Draft} draft
 * @param {Keys} rule
 */
function stateFields(draft, rule) {
  const rows = h("div", { class: "fields" });
  const severities = [["null", "nominal"], ...SEVERITY.slice(1)];
  const keys = [...rule, "states"];
  const fill = () => {
    const states = draft.at(keys);
    const known = typeof states === "object" && states !== null ? Object.keys(states) : [];
    rows.replaceChildren(...known.map(one), added(), ...(known.length > 0 ? [otherwise()] : []));
  };
  const one = (/** @type {string} */ value) =>
    h(
      "span",
      { class: "field" },
      h("label", {}, h("span", { class: "clip" }, `${value} `), input([...keys, value], severities)),
      h(
        "button",
        {
          type: "button",
          "aria-label": `Take ${value} away`,
          click: () => {
            draft.set([...keys, value], undefined);
            fill();
          },
        },
        "×",
      ),
    );
  const input = (/** @type {Keys} */ place, /** @type {string[][]} */ choices) =>
    choosing(draft.at(place), choices, (value) => draft.set(place, value));
  const otherwise = () =>
    h("label", { class: "field" }, "Any other value ", input([...rule, "otherwise"], [["", "nominal (not set)"], ...severities]));
  const added = () => {
    const text = h("input", {
      class: "words",
      "aria-label": "Another value",
      placeholder: "a value, as SAFE or true",
      autocomplete: "off",
      keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && add(),
    });
    const add = () => {
      if (text.value === "") return;
      draft.set([...keys, text.value], "MEDIUM");
      fill();
      /** @type {HTMLElement | null} */ (rows.querySelector("input"))?.focus();
    };
    return h("span", { class: "field" }, text, h("button", { type: "button", click: add }, "Add"));
  };
  fill();
  return { view: h("fieldset", {}, h("legend", {}, "States: texts and booleans"), rows) };
}
