// Drafts of limits: what somebody writes before it is in force. A draft outlives its page, for as long as the tab is open.

import { parsed, RequestError, send, written } from "../session.js";
import { at, changed, differences, followed, rebased } from "./document.js";

/** @typedef {import("./document.js").Keys} Keys */
/** @typedef {{path: string, message: string, keys: Keys, rest: string}} Fault with where it stands in the document */
/** @typedef {{version: number, document: any}} InForce version 0: no config */

const PAUSE = 400;
/** A range in which no telemetry can be: the service then only checks the document. */
const NOTHING = "from=1900-01-01T00:00:00Z&to=1900-01-01T00:00:00Z&faults=true";

/** @type {Map<string, Draft>} */
const drafts = new Map();

/** @param {string} spacecraft */
export function draftOf(spacecraft) {
  const found = drafts.get(spacecraft) ?? new Draft(spacecraft);
  drafts.set(spacecraft, found);
  return found;
}

addEventListener("beforeunload", (event) => {
  if ([...drafts.values()].some((each) => each.isChanged)) event.preventDefault();
});

export class Draft {
  /** @param {string} spacecraft */
  constructor(spacecraft) {
    this.spacecraft = spacecraft;
    /** @type {InForce | null} what it was begun from; null until that is known */
    this.base = null;
    /** @type {any} */
    this.document = {};
    /** @type {string | null} what is typed as JSON, where it is none */
    this.broken = null;
    /** Why it is none. */
    this.why = "";
    /** @type {Fault[]} */
    this.faults = [];
    /** @type {Fault[]} */
    this.warnings = [];
    /** @type {"no" | "under way" | "done" | string} otherwise why it could not be checked */
    this.checked = "no";
    /** Counts up when the document is replaced as a whole, so that forms are made anew. */
    this.generation = 0;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.timer = 0;
    /** @type {AbortController | null} */
    this.checking = null;
  }

  get isChanged() {
    return this.base !== null && (this.broken !== null || this.differences().length > 0);
  }

  /** What differs from what it was begun from. */
  differences() {
    return differences(this.base?.document ?? {}, this.document);
  }

  /**
   * What is in force becomes what the draft is begun from, unless somebody writes on it.
   * @param {InForce} inForce
   */
  follow(inForce) {
    if (this.isChanged || this.base?.version === inForce.version) return;
    this.begin(inForce);
  }

  /**
   * @param {InForce} inForce
   * @param {any} [document]
   */
  begin(inForce, document = inForce.document) {
    this.base = inForce;
    this.replace(document);
  }

  /**
   * Put the draft's changes on what came into force meanwhile; returns where both changed the same.
   * @param {InForce} inForce
   */
  rebase(inForce) {
    const { document, both } = rebased(this.base?.document ?? {}, this.document, inForce.document);
    this.begin(inForce, document);
    return both;
  }

  /** @param {any} document */
  replace(document) {
    this.document = document;
    this.broken = null;
    this.generation += 1;
    this.touched();
  }

  /**
   * @param {Keys} keys
   * @param {any} value undefined takes the key away
   */
  set(keys, value) {
    this.document = changed(this.document, keys, value);
    this.touched();
  }

  /**
   * What was typed as JSON: the draft itself if it can be read.
   * @param {string} text
   */
  type(text) {
    try {
      const document = parsed(text);
      if (typeof document !== "object" || document === null || Array.isArray(document)) throw new SyntaxError("not an object");
      this.document = document;
      this.broken = null;
    } catch (error) {
      this.broken = text;
      this.why = /** @type {Error} */ (error).message;
    }
    this.generation += 1;
    this.touched();
  }

  /** The rules by parameter, as far as the document has any. @returns {Record<string, any>} */
  get rules() {
    const found = this.document.parameters;
    return typeof found === "object" && found !== null && !Array.isArray(found) ? found : {};
  }

  /**
   * The document without the rule of a parameter.
   * @param {string} parameter
   */
  without(parameter) {
    return changed(this.document, ["parameters", parameter], undefined);
  }

  /**
   * The document with the rule that a parameter had when the draft was begun.
   * @param {string} parameter
   */
  asBefore(parameter) {
    return changed(this.document, ["parameters", parameter], at(this.base?.document, ["parameters", parameter]));
  }

  /**
   * What the service says about the rule of a parameter, by the path within it.
   * @param {string} parameter
   */
  faultsOf(parameter) {
    const own = [...this.faults, ...this.warnings].filter((each) => each.keys[0] === "parameters" && each.keys[1] === parameter);
    return own.map((each) => ({
      message: each.message,
      inner: [...each.keys.slice(2), each.rest].filter((part) => part !== "").join("."),
    }));
  }

  /** How many faults and warnings there are by parameter. */
  faultCounts() {
    /** @type {Map<string | number, number>} */
    const found = new Map();
    for (const { keys } of [...this.faults, ...this.warnings])
      if (keys[0] === "parameters") found.set(keys[1], (found.get(keys[1]) ?? 0) + 1);
    return found;
  }

  /** The document as it is sent. */
  get text() {
    return this.broken ?? written(this.document);
  }

  /** @param {Keys} keys */
  at(keys) {
    return at(this.document, keys);
  }

  touched() {
    clearTimeout(this.timer);
    this.checking?.abort();
    this.checked = this.isChanged ? "under way" : "no";
    this.faults = this.isChanged ? this.faults.map((fault) => this.placed(fault)) : [];
    this.warnings = this.isChanged ? this.warnings : [];
    if (this.broken !== null) {
      this.checked = "done";
      this.faults = [{ path: "body", message: `is no JSON object: ${this.why}`, keys: [], rest: "" }];
    } else if (this.isChanged) this.timer = setTimeout(() => void this.check(), PAUSE);
    this.tell();
  }

  /** The service answers again: what could not be checked meanwhile is checked now. */
  checkAgain() {
    if (this.isChanged && !["no", "under way", "done"].includes(this.checked)) this.touched();
  }

  tell() {
    for (const listener of this.listeners) listener();
  }

  /** Ask the service whether it would take this document; it keeps nothing of it. */
  async check() {
    const own = new AbortController();
    this.checking = own;
    try {
      const path = `/spacecraft/${encodeURIComponent(this.spacecraft)}/config/preview?${NOTHING}`;
      const { data } = await send("POST", path, this.text, { signal: own.signal });
      this.faults = data.faults.map((/** @type {any} */ each) => this.placed(each));
      this.warnings = data.warnings.map((/** @type {any} */ each) => this.placed(each));
      this.checked = "done";
    } catch (error) {
      if (own.signal.aborted) return;
      this.refuse(error);
    }
    this.tell();
  }

  /**
   * What the service refused about the document.
   * @param {unknown} error
   */
  refuse(error) {
    if (!(error instanceof RequestError)) throw error;
    this.checked = error.status === 400 ? "done" : error.message;
    if (error.status !== 400) return;
    const details = error.details.length > 0 ? error.details : [{ path: "body", message: error.message }];
    this.faults = details.map((each) => this.placed(each));
    this.warnings = [];
  }

  /**
   * @param {{path: string, message: string}} fault
   * @returns {Fault}
   */
  placed({ path, message }) {
    return { path, message, ...followed(this.document, path) };
  }
}
