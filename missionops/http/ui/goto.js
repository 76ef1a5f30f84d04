// Go to anything: a spacecraft, a parameter of one, a page, an alarm by its id.

import { h } from "./dom.js";
import { current, link } from "./route.js";
import { get } from "./session.js";
import { STATES, stateMark } from "./state.js";
import { listed } from "./values.js";

const PAGES = [
  ["Fleet", []],
  ["Alarms", ["alarms"]],
  ["Shelved alarms", ["alarms"], { tab: "shelved" }],
  ["History of alarms", ["alarms"], { tab: "history" }],
  ["Events", ["events"]],
  ["Documents", ["docs"]],
  ["Service", ["service"]],
];
const MOST = 8;

/** @typedef {{what: string, text: string, href: string, state?: string}} Place */

/** The spacecraft that the address is about, if it is about one. */
export function spacecraftHere() {
  const { path, query } = current();
  return path[0] === "sc" ? (path[1] ?? "") : (query.get("sc") ?? "");
}

/**
 * The same page for another spacecraft, where the page is about one; else that spacecraft's own.
 * @param {string} id
 */
function linkTo(id) {
  const { path, query } = current();
  if (path[0] === "sc" && path.length > 2) return link(["sc", id, ...path.slice(2)], Object.fromEntries(query));
  if ((path[0] === "alarms" && path.length === 1) || path[0] === "events")
    return link(path, { ...Object.fromEntries(query), sc: id, after: null });
  return link(["sc", id]);
}

/**
 * What fits a text.
 * @param {string} text
 * @param {AbortSignal} signal
 * @returns {Promise<Place[]>}
 */
async function places(text, signal) {
  const words = text.trim().split(/\s+/);
  /** @type {Place[]} */
  const found = /** @type {any[]} */ (PAGES)
    .filter(([name]) => name.toLowerCase().includes(text.trim().toLowerCase()))
    .map(([name, path, query]) => ({ what: "page", text: name, href: link(path, query) }));
  if (/^al_[0-9a-f]{32}$/.test(text.trim())) found.unshift({ what: "alarm", text: text.trim(), href: link(["alarms", text.trim()]) });
  const { data } = await get("/fleet", { q: words[0], limit: MOST }, signal);
  for (const { spacecraftId: id, name, state } of data.items) {
    found.push({ what: "spacecraft", text: name ? `${id} ${name}` : id, href: linkTo(id), state });
  }
  const isNamed = data.items.some((/** @type {any} */ item) => item.spacecraftId === words[0]);
  const craft = isNamed ? words[0] : spacecraftHere();
  const wanted = (isNamed ? words[1] : words[0]) ?? "";
  if (craft && wanted) {
    const latest = await get("/telemetry/latest", { spacecraftId: craft }, signal);
    const names = latest.data.parameters
      .map((/** @type {any} */ one) => one.name)
      .filter((/** @type {string} */ name) => name.toLowerCase().includes(wanted.toLowerCase()));
    for (const name of names.slice(0, MOST))
      found.push({ what: "parameter", text: `${craft} ${name}`, href: link(["sc", craft, "plot"], { p: listed([name]) }) });
  }
  return found;
}

/** The dialog; returns what opens it. */
export function goTo() {
  const list = h("ul", { class: "places", role: "listbox", "aria-label": "Places", id: "places" });
  const note = h("p", { class: "note", role: "status" });
  let chosen = 0;
  /** @type {AbortController | null} */
  let asking = null;
  let filling = Promise.resolve();
  const input = h("input", {
    type: "search",
    class: "long",
    maxlength: 256,
    autocomplete: "off",
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": "places",
    "aria-label": "Go to",
    placeholder: "a spacecraft, a parameter, a page",
    input: () => {
      filling = fill();
    },
    keydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
      } else if (event.key === "Escape") {
        dialog.close(); // such a field would only be emptied by it
      } else if (event.key === "Enter") {
        event.preventDefault();
        void goToChosen();
      }
    },
  });
  const dialog = h("dialog", { class: "goto", "aria-labelledby": "goto" }, h("h2", { id: "goto" }, "Go to"), input, list, note);
  document.body.append(dialog);

  /** @param {number} index */
  function choose(index) {
    chosen = Math.max(0, Math.min(index, list.children.length - 1));
    for (const [number, child] of [...list.children].entries()) child.setAttribute("aria-selected", String(number === chosen));
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", list.children[chosen]?.id ?? "");
  }

  /** @param {string} href */
  function go(href) {
    if (!href) return;
    dialog.close();
    location.hash = href;
  }

  /** What is chosen of what fits the text as it is now: the list may still be that of an earlier text. */
  async function goToChosen() {
    const wanted = filling;
    await wanted;
    if (wanted === filling && dialog.open) go(/** @type {HTMLElement | undefined} */ (list.children[chosen])?.dataset.href ?? "");
  }

  async function fill() {
    asking?.abort();
    asking = new AbortController();
    try {
      const found = await places(input.value, asking.signal);
      list.replaceChildren(
        ...found.map(({ what, text, href, state }, index) =>
          h(
            "li",
            { role: "option", id: `place${index}`, "data-href": href, click: () => go(href) },
            h("span", {}, text),
            h("span", { class: "about" }, what, state && state !== "NOMINAL" && STATES[state] ? stateMark(state) : null),
          ),
        ),
      );
      note.textContent = found.length ? "" : "Nothing fits.";
      choose(0);
    } catch (error) {
      if (/** @type {Error} */ (error).name === "AbortError") return;
      list.replaceChildren();
      note.textContent = /** @type {Error} */ (error).message;
    }
  }

  return (text = "") => {
    input.value = text;
    dialog.showModal();
    input.focus();
    filling = fill();
  };
}
