// A draft as JSON: the same draft as in the form, with each fault at its line.

import { h } from "../dom.js";
import { written } from "../session.js";
import { places } from "./document.js";

/** @typedef {import("./draft.js").Draft} Draft */

export class JsonView {
  /** @param {Draft} draft */
  constructor(draft) {
    this.draft = draft;
    this.area = h("textarea", {
      class: "json",
      spellcheck: "false",
      autocomplete: "off",
      rows: 28,
      "aria-label": "Limits as JSON",
      input: () => draft.type(this.area.value),
    });
    this.list = h("ul", { class: "faults", "aria-label": "What the service says" });
    this.view = h("div", { class: "split" }, this.area, this.list);
    this.show();
  }

  /** Bring the text up to the draft, unless it is from here. */
  show() {
    const { draft } = this;
    if (document.activeElement !== this.area) {
      const text = draft.broken ?? written(draft.document, 2);
      if (this.area.value !== text) this.area.value = text;
    }
    const said = [...draft.faults, ...draft.warnings];
    const found = places(
      this.area.value,
      said.map((each) => each.keys),
    );
    this.area.toggleAttribute("aria-invalid", draft.faults.length > 0);
    if (draft.faults.length > 0) this.area.setAttribute("aria-invalid", "true");
    this.list.replaceChildren(
      ...said.map((each, index) => {
        const place = found[index];
        const line = place && this.area.value.slice(0, place[0]).split("\n").length;
        const words = `${each.path}: ${each.message}`;
        const isFault = index < draft.faults.length;
        return h(
          "li",
          { class: isFault ? "fault" : null },
          place ? h("button", { type: "button", click: () => this.select(place) }, `Line ${line}`) : null,
          ` ${words}`,
        );
      }),
    );
  }

  /** @param {[number, number]} place */
  select([start, end]) {
    this.area.focus();
    this.area.setSelectionRange(start, end);
    const line = this.area.value.slice(0, start).split("\n").length;
    const height = Number.parseFloat(getComputedStyle(this.area).lineHeight);
    this.area.scrollTop = Math.max(0, (line - 5) * height);
  }
}
