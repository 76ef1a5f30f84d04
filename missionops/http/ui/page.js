// What pages have in common: they ask one question at a time, say what is missing, and keep what is there meanwhile.

import { h } from "./dom.js";
import { RequestError } from "./session.js";

/**
 * @typedef {import("./live.js").Hint} Hint
 * @typedef {import("./route.js").Route} Route
 * @typedef {{title: string, view: HTMLElement, ask: (signal: AbortSignal) => Promise<void>,
 *            show?: (route: Route) => void, concerns?: (hint: Hint) => boolean, leave?: () => void,
 *            keys?: import("./keys.js").PageKey[]}} Page `leave`: another page takes its place
 */

/** Milliseconds between an answer and the next question, unless something else is asked for. */
const LEAST = 1000;
/** Of the time that a question took: so a page asks for a third of the time at most. */
const REST = 2;

export class Asking {
  /**
   * Asks what `ask` asks: never twice at the same time, once a second at most, and once more where something was
   * changed meanwhile.
   * @param {(signal: AbortSignal) => Promise<void>} ask
   * @param {(error: RequestError | null) => void} ended
   */
  constructor(ask, ended) {
    this.question = ask;
    this.ended = ended;
    /** @type {AbortController | null} */
    this.running = null;
    this.isWanted = false;
    this.readyAt = 0;
    this.timer = 0;
  }

  /** Something was changed. */
  again() {
    if (this.running) {
      this.isWanted = true;
      return;
    }
    clearTimeout(this.timer);
    const pause = this.readyAt - performance.now();
    if (pause > 0) this.timer = setTimeout(() => void this.run(), pause);
    else void this.run();
  }

  /** The question is another one: an answer to the old one is of no use. */
  anew() {
    this.stop();
    void this.run();
  }

  stop() {
    clearTimeout(this.timer);
    this.running?.abort();
    this.running = null;
    this.isWanted = false;
  }

  async run() {
    const own = new AbortController();
    this.running = own;
    const begun = performance.now();
    /** @type {RequestError | null} */
    let failure = null;
    try {
      await this.question(own.signal);
    } catch (error) {
      if (own.signal.aborted) return;
      failure = error instanceof RequestError ? error : new RequestError(-1, `This page failed: ${error}`);
      if (failure.status === -1) console.error(error);
    }
    if (own.signal.aborted) return;
    this.running = null;
    const ended = performance.now();
    this.readyAt = ended + Math.max(LEAST, REST * (ended - begun));
    this.ended(failure);
    if (this.isWanted) {
      this.isWanted = false;
      this.again();
    }
  }
}

/**
 * A field of a form with its label.
 * @param {string} label
 * @param {...HTMLElement} parts the input, and what is said about it
 */
export function field(label, ...parts) {
  return h("label", { class: "field" }, h("span", {}, label), ...parts);
}

/**
 * A choice among words; the first stands for none.
 * @param {string} value
 * @param {[string, string][]} choices value and word
 * @param {(value: string) => void} chosen
 */
export function select(value, choices, chosen) {
  const options = choices.map(([each, word]) => h("option", { value: each, selected: each === value }, word));
  return h("select", { change: (/** @type {any} */ event) => chosen(event.target.value) }, ...options);
}

/**
 * @param {string} value
 * @param {string} hint
 * @param {(value: string) => void} typed
 */
export function search(value, hint, typed) {
  let timer = 0;
  const input = h("input", {
    type: "search",
    value,
    placeholder: hint,
    maxlength: 256,
    autocomplete: "off",
    input: () => {
      clearTimeout(timer);
      timer = setTimeout(() => typed(input.value.trim()), 200);
    },
  });
  return input;
}

/**
 * The keys that move the focus from row to row; Enter opens what has it.
 * @param {string} what a row is about
 * @param {() => NodeListOf<HTMLElement>} links one of each row
 * @returns {import("./keys.js").PageKey[]}
 */
export const rowKeys = (what, links) => [
  { key: "j", text: `next ${what}`, run: () => moveFocus(links(), 1) },
  { key: "k", text: `previous ${what}`, run: () => moveFocus(links(), -1) },
  { key: "Enter", text: "open it" },
];

/**
 * Move the focus by rows; the first or the last one gets it where none has it.
 * @param {Iterable<HTMLElement>} links one of each row
 * @param {number} by
 */
export function moveFocus(links, by) {
  const all = [...links];
  const index = all.findIndex((each) => (each.closest("tr, li") ?? each).contains(document.activeElement));
  const next = all[index < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(index + by, all.length - 1))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
