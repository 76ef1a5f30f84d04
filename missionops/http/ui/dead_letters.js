// Dead letters: telemetry that could not be stored, with the reason; an admin can look at it, and send it once more.

import { utc } from "./clock.js";
import { h, keyed } from "./dom.js";
import { link } from "./route.js";
import { assertLinked, get, may, post } from "./session.js";

const MOST = 20;
const COLUMNS = ["Since (UTC)", "Spacecraft", "Code", "Why it was not stored", "Bytes"];

/** @typedef {{sequence: number, subject: string, code: string | null, error: string | null, item: number | null, at: string, size: number}} Letter */

export class DeadLetters {
  constructor() {
    this.body = h("tbody");
    this.note = h("p", { class: "note" });
    this.said = h("p", { role: "status" });
    this.table = h(
      "table",
      { class: "wide", hidden: true },
      h("caption", { class: "unseen" }, "Dead letters, newest first"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ...COLUMNS.map((each) => h("th", { scope: "col", class: each === "Bytes" ? "number" : null }, each)),
          may("admin") && h("td"),
        ),
      ),
      this.body,
    );
    this.view = h(
      "section",
      { "aria-labelledby": "letters" },
      h("h2", { id: "letters" }, "Dead letters"),
      this.note,
      this.said,
      this.table,
    );
  }

  /** @param {AbortSignal} [signal] */
  async ask(signal) {
    let answer;
    try {
      answer = await get("/dead-letters", { limit: MOST }, signal);
    } catch (error) {
      if (signal?.aborted) throw error;
      this.note.textContent = `Not known now: ${/** @type {Error} */ (error).message}`;
      return;
    }
    const { data, cursor } = answer;
    keyed(
      this.body,
      data,
      (/** @type {Letter} */ each) => String(each.sequence),
      (each) => this.row(each),
    );
    this.table.hidden = data.length === 0;
    this.note.textContent = data.length === 0 ? "None." : cursor === null ? "" : `The newest ${MOST} are shown.`;
  }

  /** @param {Letter} letter */
  row(letter) {
    const craft = letter.subject.split(".").slice(2).join(".");
    return h(
      "tr",
      {},
      h("td", { class: "time" }, utc(letter.at)),
      h("th", { scope: "row", class: "message" }, craft === "_unknown" ? "unknown" : h("a", { href: link(["sc", craft]) }, craft)),
      h("td", {}, letter.code ?? "none"),
      h("td", { class: "message" }, letter.error ?? "", may("admin") && this.whole(letter)),
      h("td", { class: "number" }, letter.size.toLocaleString("en")),
      may("admin") &&
        h(
          "td",
          {},
          h(
            "button",
            { type: "button", "aria-label": `Send dead letter ${letter.sequence} again`, click: () => void this.replay(letter) },
            "Send again",
          ),
        ),
    );
  }

  /** @param {Letter} letter */
  whole({ sequence }) {
    const text = h("pre", { tabindex: "0" });
    const found = h(
      "details",
      {
        toggle: async () => {
          if (!found.open || text.textContent) return;
          try {
            const { data } = await get(`/dead-letters/${sequence}`);
            const headers = Object.entries(data.headers).map(([name, value]) => `${name}: ${value}`);
            text.textContent = [...headers, "", data.body ?? `${data.bodyBase64} (base64)`].join("\n");
          } catch (error) {
            text.textContent = /** @type {Error} */ (error).message;
          }
        },
      },
      h("summary", {}, "What came"),
      text,
    );
    return found;
  }

  /** @param {Letter} letter */
  async replay({ sequence }) {
    try {
      assertLinked();
      const { refused } = (await post("/dead-letters/replay", { sequences: [sequence] })).data;
      this.said.textContent =
        refused.length > 0 ? `Dead letter ${sequence} stays: ${refused[0].reason}.` : `Dead letter ${sequence} is telemetry again.`;
      await this.ask();
    } catch (error) {
      this.said.textContent = /** @type {Error} */ (error).message;
    }
  }
}
