// Trying a draft on stored telemetry: the range, how far it came, and which alarms would be gained, lost or changed.

import { duration, utc } from "../clock.js";
import { h, keyed } from "../dom.js";
import { field, select } from "../page.js";
import { link } from "../route.js";
import { severityMark } from "../state.js";
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
    this.isOfInForce = true;
    /** @type {string | null} time of the newest telemetry */
    this.newest = null;
    this.from = h("input", { class: "at", "aria-label": "From, UTC", autocomplete: "off" });
    this.to = h("input", { class: "at", "aria-label": "To, UTC", autocomplete: "off" });
    this.ends = h("span", { class: "field", hidden: true }, this.from, "to", this.to);
    this.span = select("86400", SPANS, (value) => {
      this.ends.hidden = value !== "";
      if (value === "") [this.from.value, this.to.value] = [this.range().from, this.range().to];
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

  /** The range that is chosen: back from the newest telemetry, which may be of years ago. */
  range() {
    if (this.span.value === "" && this.from.value) return { from: time(this.from.value), to: time(this.to.value) };
    const end = this.newest ? Date.parse(this.newest) + 1000 : Date.now();
    const seconds = Number(this.span.value || 86_400);
    return { from: new Date(end - seconds * 1000).toISOString(), to: new Date(end).toISOString() };
  }

  /** Try the draft as it is now. */
  async run() {
    const isSame = this.preview && !this.preview.isComplete && this.tried === this.draft.text && !this.preview.running;
    const range = this.range();
    if (isSame && this.preview && this.preview.range.from === range.from && this.preview.range.to === range.to) return this.preview.run();
    this.preview?.stop();
    this.tried = this.draft.text;
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
    this.bar.value = preview?.progress ?? 0;
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
      parts.push(
        `${preview.snapshots.toLocaleString("en")} ${preview.snapshots === 1 ? "snapshot" : "snapshots"}, ${utcOf(from)} to ${utcOf(to)} UTC`,
      );
      if (preview.running) parts.push(`${Math.floor(preview.progress * 100)} % is read`);
      else if (preview.failure) parts.push(`stopped: ${preview.failure.message}`);
      else if (!preview.isComplete) parts.push(`stopped at ${Math.floor(preview.progress * 100)} %: what is shown is of that part alone`);
      if (this.tried !== this.draft.text) parts.push("of an earlier draft: try again");
      for (const each of preview.warnings) if (!each.path.startsWith("parameters.")) parts.push(`${each.path} ${each.message}`);
    }
    const text = `${parts.join("; ")}.`;
    if (this.said.textContent !== text) this.said.textContent = text;
  }
}

/**
 * A time as it is typed: in UTC where it says nothing else. What is none is for the service to refuse.
 * @param {string} text
 */
function time(text) {
  const given = text.trim().replace(" ", "T");
  if (/^\d{4}-\d{2}-\d{2}$/.test(given)) return `${given}T00:00:00Z`;
  return /T[\d:.]+$/.test(given) ? `${given}Z` : given;
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
      ? [severityMark(alarm.now.severity), " → ", severityMark(alarm.then.severity)]
      : [severityMark(side.severity)];
  const query = { p: parameter, from: new Date(start - AROUND).toISOString(), to: new Date(end + AROUND).toISOString() };
  return h(
    "tr",
    {},
    h("td", {}, kind),
    h("th", { scope: "row", class: "clip" }, parameter),
    h("td", {}, alarm.check),
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
