// Two fields for the ends of a range, as the alarms and the events have them: the link holds what was typed.

import { now } from "./clock.js";
import { h } from "./dom.js";
import { field } from "./page.js";
import { iso, time } from "./range.js";

export class TimeFields {
  /** @param {(changes: Record<string, string>) => void} changed what the link has to say from now on */
  constructor(changed) {
    this.changed = changed;
    this.query = new URLSearchParams();
    this.fault = h("p", { role: "alert", class: "fault" });
    /** @type {Record<"from" | "to", any>} */
    this.inputs = { from: this.input("from"), to: this.input("to") };
    this.view = h("span", { class: "times" }, field("From", this.inputs.from), field("to", this.inputs.to));
  }

  /**
   * Enter, or leaving it, applies what was typed; a fault is named in place.
   * @param {"from" | "to"} name
   */
  input(name) {
    const apply = () => {
      const text = input.value.trim();
      const found = text === "" ? null : time(text, now());
      const other = time(this.query.get(name === "from" ? "to" : "from") ?? "", now());
      const isCrossed = typeof found === "number" && typeof other === "number" && (name === "from" ? found > other : found < other);
      const fault = typeof found === "string" ? found : isCrossed ? "The time from which is after the time to which." : "";
      this.fault.textContent = fault;
      input.setAttribute("aria-invalid", String(fault !== ""));
      if (!fault && text !== (this.query.get(name) ?? "")) this.changed({ [name]: text });
    };
    const input = h("input", {
      class: "short",
      maxlength: 40,
      autocomplete: "off",
      placeholder: name === "from" ? "-24h" : "now",
      change: apply,
      keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && apply(),
    });
    return input;
  }

  /** @param {URLSearchParams} query */
  show(query) {
    this.query = query;
    for (const [name, input] of Object.entries(this.inputs)) if (document.activeElement !== input) input.value = query.get(name) ?? "";
  }

  /**
   * The ends as the operations have them: null where the link names none, or one that is no time.
   * @returns {{from: string | null, to: string | null}}
   */
  get request() {
    const at = (/** @type {string} */ name) => {
      const found = time(this.query.get(name) ?? "", now());
      return typeof found === "number" ? iso(found) : null;
    };
    return { from: at("from"), to: at("to") };
  }
}
