// Trying a draft on stored telemetry: the range, how far it came, and which alarms would be gained, lost or changed.

import { CHECK_WORDS } from "../alarms/words.js";
import { duration, now, utc } from "../clock.js";
import { h, keyed } from "../dom.js";
import { field, select } from "../page.js";
import { EVER, iso, time } from "../range.js";
import { link } from "../route.js";
import { alarmMark } from "../state.js";
import { KINDS, Preview } from "./preview.js";
import { between, minutes } from "./table.js";

/** @typedef {import("./draft.js").Draft} Draft */

const EXAMPLES = 20;
const SPANS = /** @type {[string, string][]} */ ([
  ["3600", "the last hour"],
  ["86400", "the last day"],
  ["604800", "the last 7 days"],
  ["2592000", "the last 30 days"],
  ["31622400", "the last year"],
  ["all", "all of it"],
  ["", "from … to …"],
]);
/** Milliseconds on either side of an alarm in its plot. */
const AROUND = 600_000;

export class Trial {
  /**
   * @param {Draft} draft
   * @param {() => Iterable<string>} unruled parameters without a rule, whose numbers are observed all the same
   * @param {() => void} changed
   */
  constructor(draft, unruled, changed) {
    this.draft = draft;
    this.unruled = unruled;
    this.changed = changed;
    /** @type {Preview | null} */
    this.preview = null;
    this.tried = "";
    /** Whether all that is stored is tried. */
    this.isWhole = false;
    this.isOfInForce = true;
    /** @type {string | null} time of the newest telemetry */
    this.newest = null;
    const typed = (/** @type {string} */ label) =>
      h("input", { class: "at", "aria-label": label, "aria-describedby": "trial-fault", autocomplete: "off", spellcheck: "false" });
    this.from = typed("From, UTC");
    this.to = typed("To, UTC");
    this.fault = h("span", { id: "trial-fault", class: "time-fault", role: "alert", hidden: true });
    this.ends = h("span", { class: "field", hidden: true }, "from", this.from, "to", this.to, this.fault);
    this.span = select("86400", SPANS, (value) => {
      const range = this.range();
      this.ends.hidden = value !== "";
      if (value === "" && range && !this.from.value) [this.from.value, this.to.value] = [range.from, range.to];
    });
    this.button = h("button", { type: "submit" }, "Try on stored telemetry");
    this.stop = h("button", { type: "button", hidden: true, click: () => this.preview?.stop() }, "Stop");
    this.bar = h("progress", { max: 1, "aria-label": "How much of the telemetry is read" });
    this.said = h("p", { class: "note", role: "status" });
    this.totals = h("p");
    this.list = h("tbody");
    this.differing = h("tbody");
    this.view = h(
      "section",
      { class: "panel", "aria-label": "Try" },
      h(
        "form",
        {
          class: "bar",
          submit: (/** @type {Event} */ event) => {
            event.preventDefault();
            for (const details of this.view.querySelectorAll("details")) details.open = true;
            void this.run();
          },
        },
        field("Of telemetry", this.span),
        this.ends,
        this.button,
        this.stop,
        this.bar,
      ),
      this.said,
      this.totals,
      table(
        "Parameters whose alarms differ",
        ["Parameter", "Alarms", "In alarm", "Anomalies", "Gained", "Lost", "Changed"],
        this.differing,
      ),
      table("Alarms that differ, the worst first", ["", "Parameter", "Check", "Severity", "From", "Lasts", "Worst value", ""], this.list),
    );
    this.show();
  }

  /** The range that is chosen: back from the newest telemetry, which may be of years ago; null where it is none. */
  range() {
    if (this.span.value === "" && this.from.value) return this.typed();
    const end = this.newest ? Date.parse(this.newest) + 1000 : now();
    if (this.span.value === "all") return { from: iso(EVER.from), to: iso(end) };
    return { from: iso(end - Number(this.span.value || 86_400) * 1000), to: iso(end) };
  }

  /** The range that was typed; what is wrong with it stands beside it. */
  typed() {
    const [from, to] = [time(this.from.value, now()), time(this.to.value || "now", now())];
    const fault =
      typeof from === "string" ? `From: ${from}` : typeof to === "string" ? `To: ${to}` : from > to ? "From has to lie before To." : "";
    this.fault.textContent = fault;
    this.fault.hidden = !fault;
    for (const [input, read] of /** @type {[HTMLElement, any][]} */ ([
      [this.from, from],
      [this.to, to],
    ]))
      input.setAttribute("aria-invalid", String(typeof read === "string"));
    return typeof from === "string" || typeof to === "string" || fault ? null : { from: iso(from), to: iso(to) };
  }

  /** Try the draft as it is now. */
  async run() {
    const isSame = this.preview && !this.preview.isComplete && this.tried === this.draft.text && !this.preview.running;
    const range = this.range();
    if (!range) return undefined;
    if (isSame && this.preview && this.preview.range.from === range.from && this.preview.range.to === range.to) return this.preview.run();
    this.preview?.stop();
    this.tried = this.draft.text;
    this.isWhole = this.span.value === "all";
    this.isOfInForce = !this.draft.isChanged;
    const observed = Object.fromEntries([...this.unruled()].map((name) => [name, { off: "observed only" }]));
    const document = { ...this.draft.document, parameters: { ...observed, ...this.draft.rules } };
    this.preview = new Preview(this.draft.spacecraft, document, range, () => {
      this.show();
      this.changed();
    });
    return this.preview.run();
  }

  leave() {
    this.preview?.stop();
  }

  show() {
    const { preview } = this;
    const isRunning = Boolean(preview?.running);
    this.stop.hidden = !isRunning;
    this.bar.hidden = !preview || (!isRunning && preview.isComplete);
    if (this.isWhole && isRunning)
      this.bar.removeAttribute("value"); // nobody knows yet when it begins
    else this.bar.value = preview?.progress ?? 0;
    this.button.textContent =
      preview && !preview.isComplete && !isRunning && this.tried === this.draft.text ? "Go on" : "Try on stored telemetry";
    this.say();
    const differing = [...(preview?.parameters.values() ?? [])].filter((one) => KINDS.some((kind) => one.counts[kind] > 0));
    const { gained, lost, changed } = preview?.counts ?? { gained: 0, lost: 0, changed: 0 };
    this.totals.hidden = !preview || (gained + lost + changed === 0 && this.isOfInForce);
    const n = (/** @type {number} */ value) => h("b", {}, value.toLocaleString("en"));
    this.totals.replaceChildren(
      n(gained),
      " alarms gained, ",
      n(lost),
      " lost, ",
      n(changed),
      " changed",
      gained + lost + changed === 0 ? ": the same alarms as were found." : ".",
    );
    keyed(
      this.differing,
      differing.map(({ observed: _, ...one }) => one),
      (one) => one.parameter,
      differingRow,
    );
    const examples = preview?.examples(EXAMPLES) ?? [];
    keyed(
      this.list,
      examples.map((each) => ({ ...each, spacecraft: this.draft.spacecraft })),
      ({ kind, parameter, alarm }) => `${kind} ${parameter} ${alarm.check} ${(alarm.then ?? alarm).start}`,
      exampleRow,
    );
    for (const body of [this.differing, this.list]) body.closest("details").hidden = body.childElementCount === 0;
  }

  /** What is shown, and how much of it. */
  say() {
    const { preview } = this;
    const parts = [];
    if (!preview) parts.push("Shows which alarms this draft would have found, beside those that were. Nothing is changed by it");
    else {
      const { from, to } = preview.range;
      const percent = Math.floor(preview.progress * 100);
      parts.push(
        `${preview.snapshots.toLocaleString("en")} ${preview.snapshots === 1 ? "snapshot" : "snapshots"}, ${this.isWhole ? "all up" : utcOf(from)} to ${utcOf(to)} UTC`,
      );
      const isPart = preview.until > preview.range.from;
      if (preview.running) parts.push(this.isWhole && isPart ? `read up to ${utcOf(preview.until)} UTC` : `${percent} % is read`);
      else if (preview.failure) parts.push(`stopped: ${preview.failure.message}`);
      else if (!preview.isComplete)
        parts.push(`stopped ${this.isWhole ? `at ${utcOf(preview.until)} UTC` : `at ${percent} %`}: what is shown is of that part alone`);
      if (this.tried !== this.draft.text) parts.push("of an earlier draft: try again");
      for (const each of preview.warnings) if (!each.path.startsWith("parameters.")) parts.push(`${each.path} ${each.message}`);
    }
    const text = `${parts.join("; ")}.`;
    if (this.said.textContent !== text) this.said.textContent = text;
  }
}

/** @param {string} text */
const utcOf = (text) => (Number.isNaN(Date.parse(text)) ? text : utc(text));

/**
 * @param {string} caption
 * @param {string[]} columns
 * @param {HTMLElement} body
 */
const table = (caption, columns, body) =>
  h(
    "details",
    { hidden: true },
    h("summary", {}, caption),
    h(
      "table",
      { class: "wide" },
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, ...columns.map((text) => (text ? h("th", { scope: "col" }, text) : h("td"))))),
      body,
    ),
  );

/** @param {any} one */
function differingRow(one) {
  const count = (/** @type {number} */ value) => value.toLocaleString("en");
  return h(
    "tr",
    {},
    h("th", { scope: "row", class: "clip" }, one.parameter),
    h("td", {}, between([one.now.alarms, one.then.alarms], count)),
    h("td", {}, between([one.now.seconds, one.then.seconds], minutes)),
    h("td", {}, between([one.now.anomalies, one.then.anomalies], count)),
    ...KINDS.map((kind) => h("td", {}, count(one.counts[kind]))),
  );
}

/** @param {{kind: string, parameter: string, alarm: any, spacecraft: string}} example */
function exampleRow({ kind, parameter, alarm, spacecraft }) {
  const side = alarm.then ?? alarm;
  const [start, end] = [Date.parse(side.start), side.end ? Date.parse(side.end) : Date.parse(side.start)];
  const severity =
    alarm.then && alarm.now.severity !== alarm.then.severity
      ? [alarmMark(alarm.now.severity), " → ", alarmMark(alarm.then.severity)]
      : [alarmMark(side.severity)];
  const query = { p: parameter, from: new Date(start - AROUND).toISOString(), to: new Date(end + AROUND).toISOString() };
  return h(
    "tr",
    {},
    h("td", {}, kind),
    h("th", { scope: "row", class: "clip" }, parameter),
    h("td", {}, CHECK_WORDS[alarm.check]),
    h("td", {}, ...severity),
    h("td", { class: "time" }, utc(side.start)),
    h("td", {}, side.end ? duration((end - start) / 1000) : "active"),
    h("td", {}, side.peak ? String(side.peak.value) : ""),
    h(
      "td",
      {},
      h("a", { href: link(["sc", spacecraft, "plot"], query), "aria-label": `Plot of ${parameter} at ${utc(side.start)}` }, "Plot"),
    ),
  );
}
