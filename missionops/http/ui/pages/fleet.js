// Fleet: every spacecraft, the worst first.

import { Statistics } from "../alarms/statistics.js";
import { age } from "../clock.js";
import { h, keyed, keyedInSlices, svg } from "../dom.js";
import { field, rowKeys, search } from "../page.js";
import { change, link } from "../route.js";
import { access, get } from "../session.js";
import { alarmMark, STATES, stateMark } from "../state.js";

const SEVERITIES = /** @type {const} */ (["CRITICAL", "HIGH", "MEDIUM", "LOW"]);
const PORTION = 200;
const MOST = 1000;

/** The heading of each column, and what its numbers count. */
const COLUMNS = [
  ["State"],
  ["Spacecraft"],
  ["Mission"],
  ["Last received"],
  ["Active alarms"],
  ["To acknowledge", "Alarms that nobody has taken note of, also such as are over"],
  ["Shelved", "Active alarms that an operator has put aside for a while"],
  ["Anomalies 1 h", "Samples beyond a limit in the last hour"],
  ["24 h", "Samples beyond a limit in the last 24 hours; a quarter of the bar stands for ten times as many"],
  ["Limits"],
];

/** @param {import("../route.js").Route} route */
export function fleet(route) {
  let query = route.query;
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Only spacecraft in one state" });
  const body = h("tbody");
  const table = h(
    "table",
    { class: "wide fleet" },
    h("caption", { class: "unseen" }, "Spacecraft, the worst first"),
    h(
      "thead",
      {},
      h("tr", {}, ...COLUMNS.map(([text, meaning]) => h("th", { scope: "col", class: meaning ? "number" : null, title: meaning }, text))),
    ),
    body,
  );
  const note = h("p", { class: "note" });
  const more = h("button", { type: "button", click: () => change({ n: shown() + PORTION }) }, "Show more");
  const input = search(query.get("q") ?? "", "id or name", (q) => change({ q }));
  const statistics = new Statistics();
  const view = h(
    "div",
    {},
    h("div", { class: "bar" }, h("h1", {}, "Fleet"), chips, field("Search", input)),
    statistics.view,
    table,
    note,
    more,
  );
  const shown = () => Math.max(PORTION, Math.min(MOST, Number(query.get("n")) || 0));

  /** @param {AbortSignal} signal */
  async function ask(signal) {
    const state = Object.keys(STATES).find((each) => each === query.get("state")) ?? null; // an old link still opens
    const { data, cursor } = await get("/fleet", { limit: shown(), q: query.get("q"), state }, signal);
    const total = Object.values(data.counts).reduce((sum, count) => sum + count, 0);
    keyed(
      chips,
      [
        ["", total],
        ...Object.keys(STATES)
          .filter((each) => data.counts[each] || each === state)
          .map((each) => [each, data.counts[each] ?? 0]),
      ],
      ([each]) => each,
      ([each, count]) => chip(each, count, each === (state ?? "")),
    );
    table.hidden = data.items.length === 0;
    await keyedInSlices(body, data.items, (/** @type {any} */ item) => item.spacecraftId, row, signal);
    more.hidden = cursor === null || shown() >= MOST;
    note.replaceChildren(...said(total, data.items.length, cursor !== null));
    statistics.view.hidden = total === 0;
    void statistics.ask("", signal).catch(() => {}); // the figures are of a whole day: next time
  }

  /**
   * @param {string} state
   * @param {number} count
   * @param {boolean} isChosen
   */
  function chip(state, count, isChosen) {
    const href = link([], { ...Object.fromEntries(query), state, n: null });
    const mark = state ? stateMark(state) : h("span", { class: "mark" }, "All");
    return h("a", { class: "chip", href, "aria-current": isChosen ? "true" : null }, mark, h("b", {}, count.toLocaleString("en")));
  }

  /**
   * @param {number} total
   * @param {number} count
   * @param {boolean} hasMore
   */
  function said(total, count, hasMore) {
    if (total === 0) return nothing();
    if (count === 0) return [`None of ${total.toLocaleString("en")} spacecraft fits what is asked for.`];
    if (hasMore)
      return [
        `${count.toLocaleString("en")} of ${total.toLocaleString("en")} spacecraft are shown, the worst first.${shown() >= MOST ? " Search shows the others." : ""}`,
      ];
    return count < total ? [`${(total - count).toLocaleString("en")} hidden by what is asked for.`] : [];
  }

  return {
    title: "Fleet",
    view,
    ask,
    /** @param {import("../route.js").Route} next */
    show(next) {
      query = next.query;
      if (document.activeElement !== input) input.value = query.get("q") ?? "";
    },
    keys: rowKeys("spacecraft", () => body.querySelectorAll("th a")),
  };
}

function nothing() {
  if (access()?.spacecraft) return ["Nothing was received yet of the spacecraft that your token is for."];
  return [
    "No spacecraft yet. Its first telemetry brings it here. Try: ",
    h("code", {}, "missionops publish SC-001 --param temp=42"),
    ", or start the service with a mission's telemetry: ",
    h("code", {}, "missionops up --demo"),
  ];
}

/**
 * A count; what is not zero stands out.
 * @param {number} count
 */
const number = (count) => h("td", { class: count ? "number" : "number none" }, count.toLocaleString("en"));

/**
 * How many alarms are active, by severity, the worst first.
 * @param {any} item
 */
function active(item) {
  return SEVERITIES.filter((severity) => item.alarms.active[severity]).map((severity) =>
    h(
      "a",
      {
        href: link(["alarms"], { sc: item.spacecraftId, severity }),
        "aria-label": `${item.spacecraftId}, active alarms: ${item.alarms.active[severity]} ${severity}`,
      },
      alarmMark(severity, "", item.alarms.active[severity].toLocaleString("en")),
    ),
  );
}

/**
 * The anomalies of a day as a bar, those of its last hour the darker part: grey, for only a state has a colour.
 * @param {{last1h: number, last24h: number}} anomalies
 */
function bar({ last1h, last24h }) {
  const length = (/** @type {number} */ count) => Math.min(1, Math.log10(1 + count) / 4) * 64;
  const line = (/** @type {string} */ name, /** @type {number} */ to) =>
    /** @type {[string, Record<string, string>]} */ (["path", { d: `M0 8h${to.toFixed(1)}`, class: name }]);
  const found = svg("count-bar", line("room", 64), line("day", length(last24h)), line("hour", length(last1h)));
  found.setAttribute("viewBox", "0 0 64 16");
  return found;
}

/** @param {any} item */
function row(item) {
  const id = item.spacecraftId;
  // What is wrong with its telemetry does not say whether all of it is still heard and checked.
  const isAlso = ["CRITICAL", "WARNING"].includes(item.state) && item.monitoring !== "ACTIVE";
  return h(
    "tr",
    {},
    h("td", { class: "states" }, stateMark(item.state), isAlso && stateMark(item.monitoring)),
    h("th", { scope: "row", title: id }, h("a", { href: link(["sc", id]) }, id)),
    h("td", { class: "clip" }, [item.name, item.missionType].filter(Boolean).join(" · ")),
    h("td", {}, age(item.lastReceivedAt)),
    h("td", { class: "alarm-counts" }, ...active(item)),
    number(item.alarms.unacknowledged),
    number(item.alarms.shelved),
    number(item.anomalies.last1h),
    h(
      "td",
      { class: `number anomalies ${item.anomalies.last24h ? "" : "none"}`.trim() },
      item.anomalies.last24h.toLocaleString("en"),
      bar(item.anomalies),
    ),
    h(
      "td",
      {},
      h(
        "a",
        { href: link(["sc", id, "limits"]), "aria-label": `Limits of ${id}` },
        item.version === null ? "none" : `version ${item.version}`,
      ),
    ),
  );
}
