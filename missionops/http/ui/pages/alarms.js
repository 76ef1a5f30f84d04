// Alarms: what stands, what is shelved, and what was; chosen by keys or by pointer, and acknowledged, shelved, commented.

import { ActionBar } from "../alarms/action_bar.js";
import { Filters } from "../alarms/filters.js";
import { HeldList } from "../alarms/held_list.js";
import { heading, row } from "../alarms/rows.js";
import { Selection } from "../alarms/selection.js";
import { ShelfDialog } from "../alarms/shelf_dialog.js";
import { Shelves } from "../alarms/shelves.js";
import { Statistics } from "../alarms/statistics.js";
import { age, duration, now, utc } from "../clock.js";
import { h } from "../dom.js";
import { link } from "../route.js";
import { access, get, may } from "../session.js";

/** Rows at once: more than anybody reads, and as many as a browser lays out at once. */
const PORTION = 500;
/** Seconds for which telemetry may wait to be handled before that is said. */
const BEHIND = 10;

const TABS = [
  ["active", "Active"],
  ["shelved", "Shelved"],
  ["history", "History"],
];

/** @param {import("../route.js").Route} route */
export function alarms(route) {
  const isOperator = may("operator");
  const filters = new Filters(route.query);
  const statistics = new Statistics();
  const tabs = h("nav", { class: "tabs", "aria-label": "Alarms" });
  const handled = h("p", { class: "note handled" });
  const body = h("tbody");
  const table = h("table", { class: "wide alarms" }, h("caption", { class: "unseen" }, "Alarms"), heading(isOperator), body);
  const note = h("p", { class: "note" });
  const pages = h("nav", { class: "bar", "aria-label": "Pages of alarms" });
  const dialog = new ShelfDialog((said) => {
    if (said.length) {
      selection.clear();
      bar.say(said);
    }
    list.settle();
  });
  const bar = new ActionBar(
    () => selection.targets,
    (chosen) => dialog.open(chosen),
    {
      done: (done) => {
        for (const { id } of done) selection.chosen.delete(id);
        selection.show();
        list.settle();
      },
      refused: (found) => selection.seen(found),
      clear: () => selection.clear(),
    },
  );
  const list = new HeldList(
    body,
    (alarm) => row(alarm, isOperator),
    () => selection.chosen.size > 0 || bar.isBusy || dialog.isOpen,
  );
  const selection = new Selection(table, list, () => bar.show(selection.chosen.size));
  list.rendered = () => selection.show();
  const shelves = new Shelves((said) => bar.say(said));
  const view = h(
    "div",
    { class: "alarms-page" },
    h("div", { class: "bar" }, h("h1", {}, "Alarms"), tabs, handled),
    statistics.view,
    filters.view,
    list.place,
    table,
    shelves.table,
    note,
    pages,
    isOperator && bar.view,
    isOperator && dialog.dialog,
  );
  let isMonitorAsked = access()?.spacecraft === null;

  /** @param {AbortSignal} signal */
  async function ask(signal) {
    const { tab } = filters;
    void statistics.ask(filters.value("sc") ?? "", signal).catch(() => {}); // the figures are of a whole day: next time
    if (tab === "shelved") {
      note.textContent = await shelves.ask(filters.query, signal);
      return;
    }
    const { from, to, ...standing } = filters.request;
    const { data, cursor, handledAt } =
      tab === "active"
        ? await get("/alarms/active", { ...standing, limit: PORTION, waitingFirst: true }, signal)
        : await get("/alarms/search", { ...standing, from, to, limit: PORTION }, signal);
    const items = tab === "active" ? data.items : data;
    list.show(items);
    table.hidden = list.shown.length === 0;
    const none = tab === "active" ? noneStands(data.counts.shelved, handledAt !== null) : "There was no alarm yet.";
    tell(items.length, tab === "active" ? data.total : null, cursor, none);
    await tellHandled(handledAt, signal);
  }

  /**
   * How much of how much is shown.
   * @param {number} count
   * @param {number | null} total
   * @param {string | null} cursor
   * @param {string} none what to say where there is none of all
   */
  function tell(count, total, cursor, none) {
    const skip = Number(filters.query.get("skip")) || 0;
    const whole = (/** @type {number} */ number) => number.toLocaleString("en");
    if (count === 0) note.textContent = filters.isAny || skip ? "No alarm fits what is asked for." : none;
    else if (total !== null)
      note.textContent =
        count < total
          ? `Showing ${skip ? `${whole(skip + 1)} to ${whole(skip + count)}` : whole(count)} of ${whole(total)}.`
          : `${whole(count)} in all.`;
    else
      note.textContent =
        cursor || skip ? `Showing ${whole(skip + 1)} to ${whole(skip + count)}, newest first.` : `${whole(count)} in all, newest first.`;
    const settings = Object.fromEntries(filters.query);
    pages.replaceChildren(
      skip > 0 ? h("a", { href: link(["alarms"], { ...settings, after: null, skip: null }) }, "First page") : "",
      cursor ? h("a", { href: link(["alarms"], { ...settings, after: cursor, skip: skip + count }) }, `Next ${PORTION}`) : "",
    );
  }

  /**
   * Up to when telemetry is in what is shown: a monitor that stands still looks like one that has nothing to say.
   * @param {string | null} at
   * @param {AbortSignal} signal
   */
  async function tellHandled(at, signal) {
    handled.replaceChildren(...(at ? ["Telemetry handled up to ", `${utc(at)} UTC, `, age(at)] : ["No telemetry was handled yet"]));
    if (!isMonitorAsked || at === null || now() - Date.parse(at) < BEHIND * 1000) return;
    const { data } = await get("/health/ready", {}, signal);
    if (!data.ingest) isMonitorAsked = false;
    else if (data.ingest.lag > 0 && data.ingest.lagSeconds > BEHIND) {
      handled.append(
        h(
          "b",
          { class: "behind" },
          ` The monitor is behind: ${data.ingest.lag.toLocaleString("en")} messages wait, the oldest for ${duration(data.ingest.lagSeconds)}.`,
        ),
      );
    }
  }

  /** @param {import("../route.js").Route} next */
  function show(next) {
    const tab = filters.tab;
    const was = filters.query.toString();
    filters.show(next.query);
    const isShelved = filters.tab === "shelved";
    if (was !== next.query.toString() || tab !== filters.tab) {
      selection.chosen.clear();
      bar.show(0);
      list.clear();
      note.textContent = "";
      pages.replaceChildren();
    }
    table.hidden = true;
    shelves.table.hidden = !isShelved;
    handled.hidden = isShelved;
    const kept = {
      sc: next.query.get("sc"),
      q: next.query.get("q"),
      severity: next.query.get("severity"),
      check: next.query.get("check"),
      subsystem: next.query.get("subsystem"),
    };
    tabs.replaceChildren(
      ...TABS.map(([key, name]) =>
        h(
          "a",
          { href: link(["alarms"], { ...kept, tab: key === "active" ? null : key }), "aria-current": key === filters.tab ? "page" : null },
          name,
        ),
      ),
    );
  }

  /** Whatever the pointer and the keys are at is what an action is for. */
  function acknowledgeTargets() {
    void bar.acknowledge();
  }

  show(route);
  return {
    title: "Alarms",
    view,
    ask,
    show,
    concerns: (/** @type {import("../live.js").Hint} */ hint) => hint.alarms || hint.events,
    leave: () => dialog.dialog.remove(),
    keys: [
      { key: "j", text: "next alarm", run: () => selection.move(1) },
      { key: "k", text: "previous alarm", run: () => selection.move(-1) },
      { key: "Enter", text: "open the alarm" },
      ...(isOperator
        ? [
            { key: "x", text: "select the alarm, or no longer", run: () => selection.toggle() },
            { key: "a", text: "acknowledge what is selected, else this alarm", run: acknowledgeTargets },
            {
              key: "s",
              text: "shelve what is selected, else this alarm",
              run: (/** @type {KeyboardEvent} */ event) => {
                event.preventDefault();
                dialog.open(selection.targets);
              },
            },
            {
              key: "Escape",
              text: "select nothing",
              run: () => {
                /** @type {HTMLElement | null} */ (document.activeElement)?.blur();
                bar.say([]);
                selection.clear();
              },
            },
          ]
        : []),
    ],
  };
}

/**
 * That no alarm stands, and what that means: where nothing was checked, or some are shelved, not that all is well.
 * @param {number} shelved
 * @param {boolean} isHandled whether any telemetry was
 */
function noneStands(shelved, isHandled) {
  if (shelved > 0) return `No alarm stands, but ${shelved.toLocaleString("en")} ${shelved === 1 ? "is" : "are"} shelved.`;
  return `No alarm stands. ${isHandled ? "All that is checked is within its limits." : "Nothing was checked yet."}`;
}
