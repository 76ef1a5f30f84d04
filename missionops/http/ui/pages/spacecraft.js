// A spacecraft: the newest value of each parameter, with what is wrong with it, now or as of a time.

import * as clock from "../clock.js";
import { h, keyed, painted } from "../dom.js";
import { field, rowKeys, search } from "../page.js";
import { grouped, order } from "../parameter_groups.js";
import { isStale, ParameterRow } from "../parameter_row.js";
import { iso, time } from "../range.js";
import { change, link } from "../route.js";
import { get } from "../session.js";
import { alarmMark, severityMark, stateMark } from "../state.js";
import { plain } from "../values.js";

const HEADS = ["Parameter", "Value", "State", "Limits", "Age", "Time (UTC)"];
const PORTION = 250;
const MOST = 2000;
/** Milliseconds for which rows are changed at once, and rows that are made at once: more would hold up the page. */
const SLICE = 100;
const MADE = 80;
const FEW = 5;
/** Active alarms that are listed, and those that are asked for: a row says so, too. */
const ALARMS = 8;
const MARKED = 500;
/** Beyond this a spacecraft's clock is worth a word. */
const CLOCK_OFF = 5;

/** @typedef {import("../parameter_row.js").Latest} Latest */

/** @param {import("../route.js").Route} route */
export function spacecraft(route) {
  const id = route.path[1];
  let query = route.query;
  /** @type {Latest[]} */
  let latest = [];
  /** @type {Record<string, any>} */
  let rules = {};
  /** @type {Map<string, any>} the worst active alarm of each parameter */
  let worst = new Map();
  const stale = { rest: true, configs: true };
  /** @type {Map<string, ParameterRow>} */
  const rows = new Map();
  /** @type {Map<string, HTMLElement>} */
  let bodies = new Map();

  const state = h("span");
  const facts = h("p", { class: "facts-line" });
  const input = search(query.get("q") ?? "", "name or subsystem", (q) => change({ q, n: null }));
  const abnormal = h("input", {
    type: "checkbox",
    checked: query.has("abnormal"),
    change: () => change({ abnormal: abnormal.checked ? 1 : null, n: null }),
  });
  const freezing = new Freezing();
  const table = h(
    "table",
    { class: "wide parameters", hidden: true },
    h("caption", { class: "unseen" }, "Newest value of each parameter"),
    h("colgroup", {}, ...HEADS.map(() => h("col"))),
    h("thead", {}, h("tr", {}, ...HEADS.map((text) => h("th", { scope: "col" }, text)))),
  );
  const note = h("p", { class: "note", role: "status" });
  const more = h("button", { type: "button", hidden: true, click: () => change({ n: shown() + PORTION }) }, "Show more");
  const alarms = h("ul");
  const alarmsNote = h("p", { class: "note" });
  const events = h("ul");
  const documents = h("ul");
  const view = h(
    "div",
    {},
    h("div", { class: "bar" }, h("h1", {}, h("bdi", {}, id)), state, freezing.form),
    facts,
    h(
      "div",
      { class: "spacecraft" },
      h(
        "section",
        { class: "craft-values" },
        h("div", { class: "bar" }, field("Search", input), h("label", { class: "field" }, abnormal, " only abnormal")),
        table,
        note,
        more,
      ),
      h(
        "section",
        { class: "craft-alarms" },
        h("h2", {}, h("a", { href: link(["alarms"], { sc: id }) }, "Active alarms")),
        alarms,
        alarmsNote,
      ),
      h(
        "section",
        { class: "craft-more" },
        h("h2", {}, h("a", { href: link(["events"], { sc: id }) }, "Latest events")),
        events,
        h("h2", {}, h("a", { href: link(["docs"], { sc: id }) }, "Documents")),
        documents,
      ),
    ),
  );
  const shown = () => Math.min(MOST, Math.max(PORTION, Number(query.get("n")) || 0));
  let isFilling = false;
  let isWanted = false;
  let isLeft = false;

  /** @param {AbortSignal} signal */
  async function ask(signal) {
    const at = query.get("at");
    const asked = { ...stale };
    const [values, found, standing, log, docs] = await Promise.all([
      get("/telemetry/latest", { spacecraftId: id, at }, signal),
      get(`/spacecraft/${id}/status`, {}, signal),
      at === null
        ? get("/alarms/active", { spacecraftId: id, state: "ACTIVE", limit: MARKED }, signal)
        : get("/alarms", { spacecraftId: id, limit: 1000, from: at, to: at }, signal),
      asked.rest ? get("/events", { spacecraftId: id, limit: FEW, ...(at && { to: at }) }, signal) : null,
      asked.rest ? documentsOf(id, signal) : null,
    ]);
    if (asked.configs && found.data.monitoring !== "UNKNOWN") {
      // else it is not registered
      const { data } = await get(`/spacecraft/${id}`, {}, signal);
      rules = data.config?.parameters ?? {};
    }
    latest = values.data.parameters;
    for (const part of /** @type {("rest" | "configs")[]} */ (["rest", "configs"])) if (asked[part]) stale[part] = false;
    describe(found.data, at);
    const active = at === null ? standing.data.items : worstFirst(standing.data);
    worst = new Map(active.toReversed().map((/** @type {any} */ each) => [each.parameter, each]));
    listAlarms(active, standing.data.total ?? active.length, at);
    if (log) keyed(events, log.data, (each) => each.id, event);
    if (log?.data.length === 0) events.replaceChildren(h("li", { class: "note" }, at === null ? "No event yet." : "No event by then."));
    if (docs) keyed(documents, docs, (each) => each.id, documentLine);
    if (docs?.length === 0) documents.replaceChildren(h("li", { class: "note" }, "No document is about this spacecraft."));
    void fill();
  }

  /**
   * @param {any} status
   * @param {string | null} at
   */
  function describe(status, at) {
    state.replaceChildren(at === null ? stateMark(overall(status)) : h("span", { class: "frozen" }, `FROZEN at ${clock.utc(at)} UTC`));
    const offset = status.clockOffset;
    const isOff = typeof offset === "number" && Math.abs(offset) > CLOCK_OFF;
    facts.replaceChildren(
      ...[
        status.monitoring === "UNKNOWN"
          ? h("span", {}, "Neither registered nor heard of so far")
          : h("span", {}, "Last received ", clock.age(status.lastReceivedAt)),
        isOff && h("span", {}, `Its times are ${clock.duration(Math.abs(offset))} ${offset > 0 ? "before" : "after"} reception`),
        h(
          "span",
          {},
          `${at === null ? "" : "Now: "}${total(status.alarms.active)} active, ${status.alarms.unacknowledged} unacknowledged, ${status.alarms.shelved} shelved alarms`,
        ),
        h("a", { href: link(["sc", id, "limits"]) }, "Limits"),
      ].filter(Boolean),
    );
  }

  /**
   * @param {any[]} items the worst first
   * @param {number} count
   * @param {string | null} at
   */
  function listAlarms(items, count, at) {
    keyed(alarms, items.slice(0, ALARMS), (each) => each.id, alarm);
    const none = at === null ? "No alarm is active." : "No alarm was active.";
    alarmsNote.textContent =
      count === 0 ? none : count > ALARMS ? `${(count - ALARMS).toLocaleString("en")} more: the link above lists them.` : "";
  }

  /** @param {any} found */
  function alarm(found) {
    return h(
      "li",
      {},
      alarmMark(found.severity),
      " ",
      h("a", { href: link(["alarms", found.id]) }, h("bdi", {}, found.parameter ?? "nothing received")),
      ` ${found.description.replace(`Parameter ${found.parameter} `, "")}`,
      h(
        "div",
        { class: "note" },
        `since ${clock.utc(found.start)} UTC · ${found.state === "ACTIVE_ACKNOWLEDGED" ? `acknowledged by ${found.acknowledged?.by}` : found.shelved ? "shelved" : "unacknowledged"}`,
      ),
    );
  }

  /** Bring the rows up to what is known; one time after the other. */
  async function fill() {
    isWanted = true;
    if (isFilling) return;
    isFilling = true;
    while (isWanted && !isLeft) {
      isWanted = false;
      await fillOnce();
    }
    isFilling = false;
  }

  async function fillOnce() {
    const asked = query;
    let begun = performance.now();
    let made = 0;
    const at = query.get("at");
    const text = (query.get("q") ?? "").toLowerCase();
    const marked = latest.map((item) => ({ item, stale: isStale(item, rules[item.name]?.staleAfter, at) }));
    const fitting = marked.filter(
      ({ item, stale }) =>
        (!query.has("abnormal") || stale || item.severity !== null || worst.has(item.name)) &&
        (text === "" || [item.name, item.description, item.subsystem].some((each) => each?.toLowerCase().includes(text))),
    );
    const groups = grouped(fitting.map(({ item }) => item));
    const ordered = fitting.sort((one, other) => order(groups, one.item) - order(groups, other.item)).slice(0, shown());
    table.hidden = ordered.length === 0;
    more.hidden = ordered.length === fitting.length || ordered.length >= MOST;
    const said = told(latest.length, fitting.length, ordered.length, at);
    if (note.textContent !== said) note.textContent = said;
    const kept = new Set(ordered.map(({ item }) => item.name));
    for (const [name, row] of rows) {
      if (kept.has(name)) continue;
      row.element.remove();
      rows.delete(name);
    }
    const sections = [...Map.groupBy(ordered, ({ item }) => groups.of(item))];
    const names = sections.map(([name]) => name);
    for (const [name, body] of bodies) if (!names.includes(name)) body.remove();
    bodies = new Map(names.map((name) => [name, bodies.get(name) ?? h("tbody")]));
    for (const [index, [name, items]] of sections.entries()) {
      const body = /** @type {HTMLElement} */ (bodies.get(name));
      if (body !== table.tBodies[index]) table.insertBefore(body, table.tBodies[index] ?? null);
      let before = headed(body, groups.names.length > 1 ? name : null);
      for (const { item, stale } of items) {
        if (!rows.has(item.name)) made += 1;
        const row = rows.get(item.name) ?? new ParameterRow(id, item.name);
        rows.set(item.name, row);
        row.update(item, rules[item.name], stale, at, worst.get(item.name));
        const wanted = before === null ? body.firstElementChild : before.nextElementSibling;
        if (row.element !== wanted) body.insertBefore(row.element, wanted);
        before = row.element;
        if (performance.now() - begun < SLICE && made < MADE) continue;
        await painted();
        [begun, made] = [performance.now(), 0];
        if (isLeft || query !== asked) return; // other rows are wanted by now
      }
    }
  }

  const ticking = setInterval(() => latest.length > 0 && void fill(), 1000);

  freezing.show(query.get("at"));
  return {
    title: id,
    view,
    ask,
    /** @param {import("../route.js").Route} next */
    show(next) {
      if (next.query.get("at") !== query.get("at")) stale.rest = true;
      query = next.query;
      if (document.activeElement !== input) input.value = query.get("q") ?? "";
      abnormal.checked = query.has("abnormal");
      freezing.show(query.get("at"));
      void fill();
    },
    concerns(/** @type {any} */ hint) {
      if (hint.spacecraft && !hint.spacecraft.includes(id)) return Boolean(hint.events);
      stale.rest ||= hint.events !== false;
      stale.configs ||= hint.configs !== false;
      return true;
    },
    keys: rowKeys("parameter", () => table.querySelectorAll("tbody th a")),
    leave() {
      isLeft = true;
      clearInterval(ticking);
    },
  };
}

/**
 * The heading of a group, its first row; null where the rows have none.
 * @param {HTMLElement} body
 * @param {string | null} title
 * @returns {Element | null}
 */
function headed(body, title) {
  const found = body.querySelector("tr:has(th[scope=rowgroup])");
  if (title === null) found?.remove();
  else if (!found) body.prepend(h("tr", {}, h("th", { scope: "rowgroup", colspan: 6 }, h("bdi", {}, title || "Others"))));
  return title === null ? null : body.firstElementChild;
}

/** The time at which the page stands still, as it is typed. */
class Freezing {
  constructor() {
    this.input = h("input", { class: "moment", placeholder: "now", autocomplete: "off", "aria-describedby": "at-fault" });
    this.fault = h("span", { class: "time-fault", id: "at-fault", role: "alert" });
    this.live = h("button", { type: "button", click: () => change({ at: null }) }, "Back to now");
    this.form = h(
      "form",
      { class: "bar right", submit: (/** @type {Event} */ event) => this.apply(event) },
      field("As of", this.input),
      h("button", {}, "Freeze"),
      this.live,
      this.fault,
    );
  }

  /** @param {Event} event */
  apply(event) {
    event.preventDefault();
    const at = time(this.input.value || "now", clock.now());
    this.fault.textContent = typeof at === "string" ? at : "";
    this.input.setAttribute("aria-invalid", String(typeof at === "string"));
    if (typeof at === "number") change({ at: iso(at) });
  }

  /** @param {string | null} at */
  show(at) {
    this.live.hidden = at === null;
    if (document.activeElement !== this.input || at !== null) this.input.value = at ?? "";
  }
}

/** @param {any} status */
function overall({ overallStatus, monitoring }) {
  if (overallStatus !== "NOMINAL") return overallStatus;
  return monitoring === "ACTIVE" ? "NOMINAL" : monitoring;
}

/**
 * Alarms of all severities.
 * @param {Record<string, number>} counts
 */
const total = (counts) => Object.values(counts).reduce((sum, each) => sum + each, 0);

/** @param {any[]} alarms as they were found later, too */
function worstFirst(alarms) {
  const order = ["CRITICAL", "HIGH", "MEDIUM", "LOW"];
  return alarms
    .filter((each) => each.state !== "RETRACTED")
    .sort((one, other) => order.indexOf(one.severity) - order.indexOf(other.severity));
}

/**
 * The documents about a spacecraft, then those that are tagged with its id.
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {Promise<{id: string, title: string, category: string}[]>}
 */
async function documentsOf(id, signal) {
  const answers = await Promise.all([{ spacecraftId: id }, { tag: id }].map((of) => get("/docs/search", { ...of, limit: FEW }, signal)));
  const found = answers.flatMap(({ data }) => data).map(({ id, title, category }) => ({ id, title, category }));
  return [...new Map(found.map((each) => [each.id, each])).values()].slice(0, FEW);
}

/** @param {any} event */
const event = (event) =>
  h("li", {}, severityMark(event.severity), " ", event.message, h("div", { class: "note" }, `${clock.utc(event.timestamp)} UTC`));

/** @param {any} found */
const documentLine = (found) =>
  h("li", {}, h("a", { href: link(["docs", found.id]) }, found.title), h("span", { class: "note" }, ` ${plain(found.category)}`));

/**
 * @param {number} total
 * @param {number} fitting
 * @param {number} shown
 * @param {string | null} at
 */
function told(total, fitting, shown, at) {
  const count = (/** @type {number} */ value) => value.toLocaleString("en");
  if (total === 0) return at === null ? "No parameter was received yet." : "Nothing had been received at this time.";
  const hidden = total - fitting ? `${count(total - fitting)} hidden. ` : "";
  const cut =
    fitting > shown ? `${count(shown)} of ${count(fitting)} parameters are shown.${shown >= MOST ? " Search shows the others." : ""}` : "";
  return `${hidden}${fitting === 0 ? "No parameter fits what is asked for." : cut}`.trim();
}
