// The documents that help with an alarm: those that its rule names, and those that speak of its parameter.

import { h } from "../dom.js";
import { link } from "../route.js";
import { get } from "../session.js";

/** @typedef {{id: string, title: string | null, body: string | null, why: string}} Help */

const MOST = 5;

/**
 * What its rule names first, then what is found about its parameter and its subsystem.
 * @param {import("./words.js").Alarm} alarm
 * @param {AbortSignal} signal
 * @returns {Promise<Help[]>}
 */
async function find(alarm, signal) {
  /** @type {Map<string, Help>} */
  const found = new Map();
  for (const { id, title } of alarm.documents) {
    const document = title === null ? null : (await get(`/docs/${encodeURIComponent(id)}`, {}, signal)).data;
    found.set(id, { id, title, body: document?.body ?? null, why: "named by its rule" });
  }
  const add = (/** @type {any[]} */ documents, /** @type {string} */ why) => {
    for (const { id, title, body } of documents) if (!found.has(id)) found.set(id, { id, title, body, why });
  };
  const { spacecraftId, parameter, subsystem } = alarm;
  const has = (/** @type {any} */ one, /** @type {string} */ tag) =>
    one.tags.some((/** @type {string} */ each) => each.toLowerCase() === tag.toLowerCase());
  for (const wanted of [parameter, subsystem]) {
    if (!wanted) continue;
    const { data } = await get("/docs/search", { q: wanted, limit: 20 }, signal);
    const fitting = data.filter((/** @type {any} */ one) => one.spacecraftId === spacecraftId || one.spacecraftId === null);
    add(
      fitting.filter((/** @type {any} */ one) => has(one, wanted)),
      `tagged ${wanted}`,
    );
    add(fitting, `mentions ${wanted}`);
  }
  const own = await get("/docs/search", { spacecraftId, limit: MOST }, signal);
  add(
    own.data.filter((/** @type {any} */ one) => has(one, spacecraftId)),
    `tagged ${spacecraftId}`,
  );
  return [...found.values()].slice(0, MOST);
}

/**
 * A text with each mention of a word marked.
 * @param {string} text
 * @param {string | null} word
 */
function marked(text, word) {
  if (!word) return [text];
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return text.split(new RegExp(`(${escaped})`, "gi")).map((part, index) => (index % 2 ? h("mark", {}, part) : part));
}

export class Documents {
  constructor() {
    this.text = "";
    this.list = h("div", { class: "chips", role: "group", "aria-label": "Documents" });
    this.reader = h("article", { class: "handbook", tabindex: "0", "aria-label": "Document" });
    this.view = h("section", { class: "help", "aria-labelledby": "help" }, h("h2", { id: "help" }, "Documents"), this.list, this.reader);
  }

  /**
   * @param {import("./words.js").Alarm} alarm
   * @param {AbortSignal} signal
   */
  async ask(alarm, signal) {
    const found = await find(alarm, signal);
    const text = JSON.stringify(found);
    if (text === this.text) return; // what is being read stays where it is
    this.text = text;
    this.list.replaceChildren(
      ...found.map((one) =>
        h(
          "button",
          { type: "button", class: "chip", "aria-pressed": "false", click: () => this.open(one, alarm) },
          one.title ?? one.id,
          h("span", { class: "note" }, one.why),
        ),
      ),
    );
    if (found.length) this.open(found[0], alarm);
    else
      this.reader.replaceChildren(
        h("p", { class: "note" }, `No document is named by its rule, tagged ${alarm.parameter ?? alarm.spacecraftId}, or mentions it.`),
      );
  }

  /**
   * @param {Help} one
   * @param {import("./words.js").Alarm} alarm
   */
  open(one, alarm) {
    for (const child of this.list.children)
      child.setAttribute("aria-pressed", String(child.firstChild?.textContent === (one.title ?? one.id)));
    if (one.body === null) {
      this.reader.replaceChildren(h("p", {}, `The rule names the document ${one.id}, and there is none by that name.`));
      return;
    }
    this.reader.replaceChildren(
      h("h3", {}, h("a", { href: link(["docs", one.id]) }, one.title)),
      h("div", { class: "text" }, ...marked(one.body, alarm.parameter)),
    );
    const first = /** @type {HTMLElement | null} */ (this.reader.querySelector("mark"));
    this.reader.scrollTop = first ? Math.max(0, first.offsetTop - this.reader.offsetTop - 60) : 0; // the right page of the handbook
  }
}
