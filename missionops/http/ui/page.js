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

export class Asking {
  /**
   * Asks what `ask` asks: never twice at the same time, and once more where something was changed meanwhile.
   * @param {(signal: AbortSignal) => Promise<void>} ask
   * @param {(error: RequestError | null) => void} ended
   */
  constructor(ask, ended) {
    this.question = ask;
    this.ended = ended;
    /** @type {AbortController | null} */
    this.running = null;
    this.isWanted = false;
  }

  /** Something was changed. */
  again() {
    if (this.running) this.isWanted = true;
    else void this.run();
  }

  /** The question is another one: an answer to the old one is of no use. */
  anew() {
    this.stop();
    void this.run();
  }

  stop() {
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
    this.ended(failure);
    if (this.isWanted) {
      this.isWanted = false;
      // A service that takes long to answer has as long without a question of this page.
      setTimeout(() => this.again(), Math.max(250, performance.now() - begun));
    }
  }
}

/**
 * A field of a form with its label.
 * @param {string} label
 * @param {HTMLElement} input
 */
export function field(label, input) {
  return h("label", { class: "field" }, h("span", {}, label), input);
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
    "data-search": true,
    autocomplete: "off",
    input: () => {
      clearTimeout(timer);
      timer = setTimeout(() => typed(input.value.trim()), 200);
    },
  });
  return input;
}

/** @param {string} text */
export const empty = (text) => h("p", { class: "empty" }, text);
