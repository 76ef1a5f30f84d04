// Every shelf in force, also those that hide nothing now: what was put aside, by whom, until when and why.

import { duration, now, utc } from "../clock.js";
import { h, keyed } from "../dom.js";
import { link } from "../route.js";
import { get, may } from "../session.js";
import { unshelve } from "./operator.js";
import { CHECK_WORDS } from "./words.js";

/** @typedef {{spacecraftId: string, parameter?: string | null, check: string | null, by: string, until: string, reason: string, hiding: number}} Shelf */

/** @param {Shelf} shelf */
const keyOf = ({ spacecraftId, parameter, check }) => ({
  spacecraftId,
  ...(parameter === undefined ? {} : { parameter }),
  ...(check && parameter !== null ? { check } : {}),
});

export class Shelves {
  /** @param {(sentences: string[]) => void} said */
  constructor(said) {
    this.said = said;
    this.body = h("tbody");
    this.table = h(
      "table",
      { class: "wide" },
      h("caption", { class: "unseen" }, "Shelves in force"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ...["Spacecraft", "What", "Until (UTC)", "By", "Reason", "Hides now", ...(may("operator") ? [""] : [])].map((each) =>
            h("th", { scope: "col" }, each || h("span", { class: "unseen" }, "End it")),
          ),
        ),
      ),
      this.body,
    );
  }

  /**
   * @param {URLSearchParams} query
   * @param {AbortSignal} signal
   * @returns {Promise<string>} what is to be said below the table
   */
  async ask(query, signal) {
    const { data, cursor } = await get("/alarms/shelves", {}, signal);
    const q = (query.get("q") ?? "").toLowerCase();
    const craft = query.get("sc") ?? "";
    const check = query.get("check") ?? "";
    const found = data.filter(
      (/** @type {Shelf} */ shelf) =>
        (!craft || shelf.spacecraftId === craft) &&
        (!check || !shelf.check || shelf.check === check) &&
        [shelf.spacecraftId, shelf.parameter, shelf.reason, shelf.by].join(" ").toLowerCase().includes(q),
    );
    keyed(
      this.body,
      found,
      (shelf) => JSON.stringify(keyOf(shelf)),
      (shelf) => this.row(shelf),
    );
    this.table.hidden = found.length === 0;
    if (data.length === 0) return "Nothing is shelved.";
    const hidden = data.length - found.length;
    return `${found.length.toLocaleString("en")} in force${hidden ? `, ${hidden.toLocaleString("en")} hidden by what is asked for` : ""}${cursor ? "; there are more than are shown" : ""}.`;
  }

  /** @param {Shelf} shelf */
  row(shelf) {
    const what = shelf.parameter === undefined ? "the whole spacecraft" : shelf.parameter === null ? "silent" : shelf.parameter;
    const left = (Date.parse(shelf.until) - now()) / 1000;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, shelf.spacecraftId),
      h("td", { class: "message" }, what, h("div", { class: "note" }, shelf.check ? `only ${CHECK_WORDS[shelf.check]}` : "every check")),
      h("td", { class: "time" }, utc(shelf.until), h("div", { class: "note" }, `in ${duration(left)}`)),
      h("td", { class: "message" }, shelf.by),
      h("td", { class: "message" }, shelf.reason),
      h(
        "td",
        { class: "number" },
        shelf.hiding
          ? h(
              "a",
              { href: link(["alarms"], { tab: "history", state: "ACTIVE", sc: shelf.spacecraftId, q: shelf.parameter ?? null }) },
              shelf.hiding.toLocaleString("en"),
            )
          : "0",
      ),
      may("operator") &&
        h(
          "td",
          {},
          h(
            "button",
            { type: "button", "aria-label": `Unshelve ${shelf.spacecraftId} ${what}`, click: () => void this.end(shelf) },
            "Unshelve",
          ),
        ),
    );
  }

  /** @param {Shelf} shelf */
  async end(shelf) {
    try {
      await unshelve(keyOf(shelf));
      this.said([`${shelf.spacecraftId} ${shelf.parameter ?? ""} is no longer shelved.`.replace("  ", " ")]);
    } catch (error) {
      this.said([/** @type {Error} */ (error).message]);
    }
  }
}
