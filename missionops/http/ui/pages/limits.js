// Limits of one spacecraft: what is in force, a draft beside it, what that would find, and how it came to be.

import { utc } from "../clock.js";
import { h } from "../dom.js";
import { draftOf } from "../limits/draft.js";
import { JsonView } from "../limits/json_view.js";
import { Field, numeric, texts } from "../limits/rule_form.js";
import { LimitsTable, rows } from "../limits/table.js";
import { Trial } from "../limits/trial.js";
import { History, overtaken, putDialog } from "../limits/versions.js";
import { field, search } from "../page.js";
import { change, link } from "../route.js";
import { get, may } from "../session.js";

const PORTION = 200;
/** Milliseconds between two checks of what the rules in force do: it takes the service a while. */
const CHECK = 60_000;
/** Milliseconds after a change of the draft. */
const SOON = 100;
/** @type {[string, string][]} */
const VIEWS = [
  ["", "Table"],
  ["json", "JSON"],
  ["versions", "Versions"],
];
/** @type {Record<string, {word: string, fits: (row: import("../limits/table.js").Row) => boolean}>} */
const SHOWN = {
  unruled: { word: "Seen without rule", fits: (row) => row.kind === "unruled" },
  unmet: { word: "Rule not met", fits: (row) => row.kind === "unmet" },
  off: { word: "Off", fits: (row) => row.kind === "off" },
  differs: {
    word: "Alarms differ",
    fits: ({ comparison }) => comparison && [comparison.alarms, comparison.seconds].some(([now, then]) => now !== then),
  },
  changed: { word: "Changed", fits: (row) => row.isChanged },
  faults: { word: "Faults and warnings", fits: (row) => row.faults > 0 },
};

/** @param {import("../route.js").Route} route */
export function limits(route) {
  const spacecraft = route.path[1];
  const address = `/spacecraft/${encodeURIComponent(spacecraft)}`;
  const draft = draftOf(spacecraft);
  let query = route.query;
  /** @type {import("../limits/draft.js").InForce & {updatedAt?: string} | null} */
  let inForce = null;
  /** @type {any} */
  let checked = null;
  let checkedAt = -CHECK;
  let checkedVersion = -1;
  /** @type {string[]} */
  let seen = [];
  let reason = "";
  let overtakenBy = 0;

  const chips = h("div", { class: "chips", role: "group", "aria-label": "Only some parameters" });
  const views = h("nav", { class: "chips", "aria-label": "Views of the limits" });
  const input = search(query.get("q") ?? "", "name, subsystem or unit", (q) => change({ q, n: null }));
  const state = h("span", { role: "status" });
  const put = h("button", { type: "button", click: () => putDialog(draft, reason, { done, overtaken: again }) });
  const discard = h(
    "button",
    {
      type: "button",
      click: () => {
        warned.hidden = true;
        if (inForce) draft.begin(inForce);
      },
    },
    "Discard the draft",
  );
  const warned = h("div", { class: "trouble", role: "status", hidden: true });
  const conflict = h("div");
  const general = h("ul", { class: "faults" });
  const note = h("p", { class: "note" });
  const more = h("button", { type: "button", click: () => change({ n: shownCount() + PORTION }) }, "Show more");
  const table = new LimitsTable(draft, () => change({ view: "json" }));
  const json = new JsonView(draft);
  const history = new History(
    draft,
    () => inForce,
    (why) => {
      reason = why;
      change({ view: null, show: "changed" });
    },
  );
  const trial = new Trial(
    draft,
    () => [...(checked?.unruled ?? []), ...seen].filter((name) => !Object.hasOwn(draft.rules, name)),
    () => show(),
  );
  const settings = h("fieldset", { class: "fields" });
  const tableView = h(
    "div",
    {},
    h("div", { class: "bar" }, chips, input),
    table.view,
    note,
    more,
    h("details", { class: "panel" }, h("summary", {}, "Of the whole spacecraft"), settings),
  );
  const view = h(
    "div",
    {},
    h("div", { class: "bar" }, h("h1", {}, `Limits of ${spacecraft}`), views),
    h("div", { class: "bar draft" }, state, put, discard),
    warned,
    conflict,
    general,
    trial.view,
    tableView,
    json.view,
    history.view,
  );
  const shownCount = () => Number(query.get("n")) || PORTION;
  let generation = -1;
  let showing = 0;

  function again() {
    dispatchEvent(new HashChangeEvent("hashchange"));
  }

  /** @param {any} response */
  function done(response) {
    reason = "";
    inForce = { version: response.version, document: response.config, updatedAt: response.updatedAt };
    draft.begin(inForce);
    const words = response.warnings.map((/** @type {any} */ each) => h("li", {}, `${each.path} ${each.message}`));
    warned.replaceChildren(
      h("p", {}, `Version ${response.version} is in force.${words.length > 0 ? " Of it checks nothing so far:" : ""}`),
      h("ul", {}, ...words),
    );
    warned.hidden = false;
    again();
  }

  function showDraft() {
    const changes = draft.differences().length;
    const version = draft.base?.version ?? 0;
    const basis =
      version === 0
        ? "No limits are in force."
        : `Version ${version} is in force${inForce?.updatedAt && inForce.version === version ? ` since ${utc(inForce.updatedAt)} UTC` : ""}.`;
    const faults = draft.faults.length;
    const check =
      draft.checked === "under way"
        ? "being checked …"
        : draft.checked === "done"
          ? faults
            ? `${faults} ${faults === 1 ? "fault" : "faults"}`
            : "no fault"
          : `not checked: ${draft.checked.replace(/\.$/, "")}`;
    const text = draft.isChanged
      ? `Draft: ${draft.broken === null ? `${changes} ${changes === 1 ? "change" : "changes"}` : "this is no JSON object"}, ${check}.`
      : "";
    const isOvertaken = draft.isChanged && inForce !== null && inForce.version !== version;
    const rights = may("admin") ? "" : " Only an admin can put limits in force; a draft can be tried, and copied as JSON.";
    const said = `${isOvertaken ? `Draft from version ${version}.` : basis} ${text}${rights}`;
    if (state.textContent !== said) state.textContent = said;
    put.textContent = `Put version ${version + 1} in force …`;
    put.hidden = !may("admin") || !draft.isChanged || isOvertaken;
    put.disabled = draft.checked !== "done" || faults > 0;
    discard.hidden = !draft.isChanged;
    if (!isOvertaken) conflict.replaceChildren();
    const wide = [...draft.faults, ...draft.warnings].filter((each) => each.keys.length < 2 || each.keys[0] !== "parameters");
    general.replaceChildren(
      ...wide.map((each) => h("li", { class: draft.faults.includes(each) ? "fault" : null }, `${each.path}: ${each.message}`)),
    );
    if (generation !== draft.generation && !settings.contains(document.activeElement)) {
      generation = draft.generation;
      settings.replaceChildren(
        setting("silentAfter", "Silent after seconds without telemetry"),
        setting("clock.ahead", "Clock may be ahead by seconds"),
        setting("clock.from", "No telemetry before (time)"),
      );
    }
  }

  /**
   * @param {string} path
   * @param {string} label
   */
  function setting(path, label) {
    const own = new Field(draft, [], path);
    return field(label, path === "clock.from" ? texts(own) : numeric(own));
  }

  function showTable() {
    const all = rows(draft, checked, seen, trial.preview);
    const chosen = query.get("show") ?? "";
    const words = (query.get("q") ?? "").toLowerCase();
    const fitting = all.filter(
      (row) =>
        (!chosen || SHOWN[chosen]?.fits(row) || table.open.has(row.name)) &&
        (!words || `${row.name} ${row.rule?.subsystem ?? ""} ${row.rule?.unit ?? ""}`.toLowerCase().includes(words)),
    );
    const settings = Object.fromEntries(query);
    const chip = (/** @type {string} */ key, /** @type {string} */ word, /** @type {number} */ count) =>
      h(
        "a",
        { class: "chip", href: link(route.path, { ...settings, show: key, n: null }), "aria-current": key === chosen ? "true" : null },
        word,
        h("b", {}, count.toLocaleString("en")),
      );
    const counted = Object.entries(SHOWN).map(([key, { word, fits }]) => ({ key, word, count: all.filter(fits).length }));
    chips.replaceChildren(
      chip("", "All", all.length),
      ...counted.filter(({ key, count }) => count > 0 || key === chosen).map(({ key, word, count }) => chip(key, word, count)),
    );
    const part = fitting.slice(0, shownCount());
    table.names = all.map((row) => row.name);
    table.fill(part);
    more.hidden = part.length === fitting.length;
    const hidden = all.length - part.length;
    if (all.length === 0)
      note.textContent = inForce
        ? "No telemetry of this spacecraft was stored, and it has no rule. Write rules as JSON, or come back when telemetry has come."
        : "";
    else
      note.textContent = hidden > 0 ? `${hidden.toLocaleString("en")} of ${all.length.toLocaleString("en")} parameters are not shown.` : "";
    table.view.hidden = all.length === 0;
  }

  function show() {
    const chosen = query.get("view") ?? "";
    const settings = Object.fromEntries(query);
    views.replaceChildren(
      ...VIEWS.map(([key, word]) =>
        h("a", { class: "chip", href: link(route.path, { ...settings, view: key }), "aria-current": key === chosen ? "page" : null }, word),
      ),
    );
    tableView.hidden = chosen !== "";
    json.view.hidden = chosen !== "json";
    history.view.hidden = chosen !== "versions";
    trial.view.hidden = chosen === "versions" || (trial.newest === null && trial.preview === null); // there is nothing to try on
    showDraft();
    trial.say();
    if (chosen === "") showTable();
    if (chosen === "json") json.show();
  }

  /** @param {AbortSignal} signal */
  async function ask(signal) {
    const status = (await get(`${address}/status`, {}, signal)).data;
    const isNew = trial.newest === null && status.lastTelemetryTimestamp !== null;
    trial.newest = status.lastTelemetryTimestamp;
    const isKnown = status.monitoring !== "UNKNOWN" || status.lastReceivedAt !== null;
    const found = isKnown ? (await get(address, {}, signal)).data : { version: null };
    inForce = { version: found.version ?? 0, document: found.config ?? {}, updatedAt: found.updatedAt };
    if (isNew || inForce.version !== checkedVersion || performance.now() - checkedAt > CHECK) {
      if (found.version !== null) checked = (await get(`${address}/config/check`, {}, signal)).data;
      else if (isKnown)
        seen = (await get("/telemetry/latest", { spacecraftId: spacecraft }, signal)).data.parameters.map(
          (/** @type {any} */ each) => each.name,
        );
      [checkedAt, checkedVersion] = [performance.now(), inForce.version];
    }
    const isFirst = trial.preview === null;
    draft.follow(inForce);
    draft.checkAgain();
    if (draft.isChanged && draft.base && draft.base.version !== inForce.version && overtakenBy !== inForce.version) {
      const [version] = (await get(`${address}/config/versions`, { limit: 1 }, signal)).data;
      conflict.replaceChildren(overtaken(draft, inForce, version, rebased));
      overtakenBy = inForce.version;
    }
    if (query.get("view") === "versions") await history.ask(signal);
    show();
    if (isFirst && trial.newest) void trial.run();
  }

  /** @param {import("../limits/document.js").Keys[]} both */
  function rebased(both) {
    warned.replaceChildren(
      h("p", {}, `Both changed the same: ${both.map((keys) => keys.join(".")).join("; ")}. Your values stand in the draft.`),
    );
    warned.hidden = both.length === 0;
    show();
  }

  /** Soon, and once for many keys: with thousands of parameters it takes a while. */
  function showSoon() {
    clearTimeout(showing);
    showing = setTimeout(show, SOON);
  }

  draft.listeners.add(showSoon);
  return {
    title: `Limits of ${spacecraft}`,
    view,
    ask,
    /** @param {import("../route.js").Route} next */
    show(next) {
      query = next.query;
      if (document.activeElement !== input) input.value = query.get("q") ?? "";
      show();
    },
    concerns: (/** @type {any} */ hint) => hint.configs || (trial.newest === null && hint.spacecraft?.includes(spacecraft)),
    leave() {
      draft.listeners.delete(showSoon);
      clearTimeout(showing);
      trial.leave();
    },
  };
}
