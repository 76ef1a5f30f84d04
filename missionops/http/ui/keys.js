// Keys, and the dialog that lists them. Single keys can be switched off: some people's hands or speech press them by chance.

import { h } from "./dom.js";
import { link } from "./route.js";

const KEY = "missionops.keys";
const PAGES = { f: [], e: ["events"], d: ["docs"], s: ["service"] };
const LISTED = [
  ["/", "search on this page"], ["g f", "fleet"], ["g e", "events"], ["g d", "documents"], ["g s", "service"],
  ["?", "this list"], ["Esc", "leave a field or a dialog"],
];

/** Listen to keys; returns what opens the list of them. */
export function listen() {
  let isOn = localStorage.getItem(KEY) !== "off";
  let before = "";
  const choice = h("input", { type: "checkbox", change: () => {
    isOn = choice.checked;
    localStorage.setItem(KEY, isOn ? "on" : "off");
  } });
  choice.checked = isOn;
  const dialog = h("dialog", { "aria-labelledby": "keys" }, h("h2", { id: "keys" }, "Keys"),
    h("dl", { class: "facts" }, ...LISTED.flatMap(([key, text]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)])),
    h("label", {}, choice, " Single keys are on"),
    h("p", {}, h("button", { type: "button", click: () => dialog.close() }, "Close")));
  document.body.append(dialog);
  addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.matches("input:not([type=checkbox]), textarea, select")) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (!isOn || event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    const page = before === "g" ? PAGES[/** @type {"f"} */ (event.key)] : undefined;
    before = event.key;
    if (page) location.hash = link(page);
    else if (event.key === "?") dialog.showModal();
    else if (event.key === "/") {
      const input = /** @type {HTMLElement | null} */ (document.querySelector("main [data-search]"));
      if (!input) return;
      event.preventDefault();
      input.focus();
    }
  });
  return () => dialog.showModal();
}
