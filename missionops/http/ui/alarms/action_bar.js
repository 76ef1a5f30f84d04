// The bar of actions for what is selected: it stands apart from the rows, so no update of them takes a word from it.

import { h } from "../dom.js";
import { access } from "../session.js";
import { acknowledge, addComment, ownName, setOwnName } from "./operator.js";

/** @typedef {import("./words.js").Alarm} Alarm */

export class ActionBar {
  /**
   * @param {() => Alarm[]} targets
   * @param {(alarms: Alarm[]) => void} shelve opens the dialog for them
   * @param {{done: (alarms: Alarm[]) => void, refused: (alarms: Alarm[]) => void, clear: () => void}} told
   */
  constructor(targets, shelve, told) {
    this.targets = targets;
    this.told = told;
    this.isRunning = false;
    this.count = h("b", { role: "status" });
    this.comment = h("input", { class: "long", maxlength: 4096, autocomplete: "off", "aria-label": "Comment", placeholder: "Comment" });
    this.said = h("ul", { class: "said", role: "status", "aria-label": "What was done" });
    this.close = h("button", { type: "button", hidden: true, click: () => this.say([]) }, "Close");
    const name =
      access()?.name === null &&
      h("input", {
        class: "own-name",
        maxlength: 128,
        autocomplete: "name",
        "aria-label": "Your name",
        placeholder: "Your name",
        value: ownName(),
        change: () => setOwnName(name.value.trim()),
      });
    this.buttons = h(
      "form",
      {
        class: "bar",
        submit: (/** @type {Event} */ event) => {
          event.preventDefault();
          void this.acknowledge();
        },
      },
      this.count,
      this.comment,
      name,
      h("button", { class: "primary" }, "Acknowledge"),
      h("button", { type: "button", click: () => shelve(this.targets()) }, "Shelve …"),
      h("button", { type: "button", click: () => void this.addComment() }, "Comment only"),
      h("button", { type: "button", click: told.clear }, "Select none"),
    );
    this.view = h("section", { class: "actions", "aria-label": "Actions", hidden: true }, this.buttons, this.said, this.close);
  }

  /** Whether somebody has begun to write. */
  get isBusy() {
    return this.comment.value !== "" || this.isRunning;
  }

  /** @param {number} count how many are selected */
  show(count) {
    this.count.textContent = `${count.toLocaleString("en")} selected`;
    this.buttons.hidden = count === 0;
    this.view.hidden = count === 0 && this.said.childElementCount === 0;
  }

  /** @param {string[]} sentences */
  say(sentences) {
    this.said.replaceChildren(...sentences.map((each) => h("li", {}, each)));
    this.close.hidden = sentences.length === 0;
    this.view.hidden = this.buttons.hidden && sentences.length === 0;
  }

  async acknowledge() {
    const targets = this.targets();
    if (targets.length === 0) return;
    await this.run(async () => {
      const result = await acknowledge(targets, this.comment.value.trim());
      this.comment.value = "";
      this.told.done(result.done);
      this.told.refused(result.refused);
      const count = result.done.length - result.by.length;
      const own = count || !result.said.length ? [`${count.toLocaleString("en")} acknowledged.`] : [];
      const not = result.said.length ? [`${result.said.length.toLocaleString("en")} not acknowledged:`] : [];
      this.say([...own, ...result.by, ...not, ...result.said]);
    });
  }

  async addComment() {
    const targets = this.targets();
    const text = this.comment.value.trim();
    if (text === "") {
      this.comment.focus();
      return;
    }
    await this.run(async () => {
      await addComment(targets, text);
      this.comment.value = "";
      this.told.done([]);
      this.say([`Written to ${targets.length.toLocaleString("en")}.`]);
    });
  }

  /** @param {() => Promise<void>} action */
  async run(action) {
    if (this.isRunning) return;
    this.isRunning = true;
    try {
      await action();
    } catch (error) {
      this.say([/** @type {Error} */ (error).message]);
    } finally {
      this.isRunning = false;
    }
  }
}
