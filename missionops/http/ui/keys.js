// Keys, and the dialog that lists them. Single keys can be switched off: some people's hands or speech press them by chance.

import { h } from "./dom.js";
import { current, link } from "./route.js";
import { themeChoice } from "./theme.js";

/**
 * A key of one page: what it is called (`Enter`, `j`), what it does in words, and how. A key without `run` is listed only.
 * @typedef {{key: string, text: string, run?: (event: KeyboardEvent) => void}} PageKey
 */

const KEY = "missionops.keys";
const PAGES = { f: [], a: ["alarms"], e: ["events"], d: ["docs"], s: ["service"] };
const LISTED = [
  ["/", "go to a spacecraft, a parameter or a page"],
  ["g f", "fleet"],
  ["g a", "alarms"],
  ["g e", "events"],
  ["g d", "documents"],
  ["g s", "service"],
  ["?", "this list"],
  ["Esc", "leave a field or a dialog"],
];

/** @type {PageKey[]} */
let ofPage = [];

/**
 * The keys of the page that is shown; those of the one before are over.
 * @param {PageKey[]} keys
 */
export function setPageKeys(keys) {
  ofPage = keys;
}

/** @param {string[][]} listed */
const list = (listed) =>
  h("dl", { class: "facts" }, ...listed.flatMap(([key, text]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)]));

/**
 * Listen to keys; returns what opens the list of them.
 * @param {() => void} goTo opens the dialog that goes to anything
 */
export function listen(goTo) {
  let isOn = localStorage.getItem(KEY) !== "off";
  let before = "";
  const choice = h("input", {
    type: "checkbox",
    change: () => {
      isOn = choice.checked;
      localStorage.setItem(KEY, isOn ? "on" : "off");
    },
  });
  choice.checked = isOn;
  const own = h("div");
  const wall = h("a", { click: () => dialog.close() }, "This page as a wall display");
  const dialog = h(
    "dialog",
    { "aria-labelledby": "keys" },
    h("h2", { id: "keys" }, "Keys"),
    list(LISTED),
    own,
    h("p", {}, h("label", {}, choice, " Single keys are on"), " ", h("label", { class: "field theme" }, "Theme", themeChoice())),
    h("p", {}, wall, ": without what is clicked, for a display that all look at"),
    h("p", {}, h("button", { type: "button", click: () => dialog.close() }, "Close")),
  );
  document.body.append(dialog);
  function help() {
    own.replaceChildren(...(ofPage.length ? [h("h3", {}, "On this page"), list(ofPage.map(({ key, text }) => [key, text]))] : []));
    const { path, query } = current();
    wall.href = link(path, { ...Object.fromEntries(query), kiosk: 1 });
    dialog.showModal();
  }
  addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.matches("input:not([type=checkbox]), textarea, select")) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    // Those that type nothing are no single keys: they can stay on.
    if (!isOn && event.key.length === 1) return;
    const page = before === "g" ? PAGES[/** @type {"f"} */ (event.key)] : undefined;
    before = before === "g" ? "" : event.key;
    const found = ofPage.find(({ key, run }) => run && key === event.key);
    if (page) location.hash = link(page);
    else if (event.key === "?") help();
    else if (event.key === "/") {
      event.preventDefault();
      goTo();
    } else found?.run?.(event);
  });
  return help;
}
