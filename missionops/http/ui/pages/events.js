// Events: what happened, newest first, of all spacecraft or of one.

import { utc } from "../clock.js";
import { h, keyed } from "../dom.js";
import { field, search, select } from "../page.js";
import { change, link } from "../route.js";
import { get, may, post } from "../session.js";
import { severityMark } from "../state.js";

const PORTION = 100;
const TYPES = ["ANOMALY", "CONTACT_LOST", "MODE_CHANGE", "COMMAND_SENT", "INFO", "CONFIG_CHANGED", "DOCUMENT_PUBLISHED"];
const SEVERITIES = ["LOW", "MEDIUM", "HIGH", "CRITICAL"];

/** @param {string} text */
const word = (text) => text.charAt(0) + text.slice(1).toLowerCase().replaceAll("_", " ");

/** @param {import("../route.js").Route} route */
export function events(route) {
  let query = route.query;
  /** @type {any[]} */
  let waiting = [];
  const body = h("tbody");
  const note = h("p", { class: "note" });
  const news = h("button", {
    type: "button",
    class: "news",
    hidden: true,
    click: () => {
      scrollTo(0, 0);
      fill(waiting);
    },
  });
  const text = search(query.get("q") ?? "", "in the message", (q) => change({ q, n: null }));
  const craft = search(query.get("sc") ?? "", "all spacecraft", (sc) => change({ sc, n: null }));
  craft.removeAttribute("data-search");
  const type = select(
    query.get("type") ?? "",
    [["", "All types"], ...TYPES.map((each) => /** @type {[string, string]} */ ([each, word(each)]))],
    (value) => change({ type: value, n: null }),
  );
  const severity = select(
    query.get("severity") ?? "",
    [["", "All severities"], ...SEVERITIES.slice(1).map((each) => /** @type {[string, string]} */ ([each, `${word(each)} and above`]))],
    (value) => change({ severity: value, n: null }),
  );
  const more = h("button", { type: "button", click: () => change({ n: shown() + PORTION }) }, "Show older");
  const table = h(
    "table",
    { class: "wide" },
    h("caption", { class: "unseen" }, "Events, newest first"),
    h(
      "thead",
      {},
      h("tr", {}, ...["Time (UTC)", "Spacecraft", "Severity", "Type", "What happened"].map((each) => h("th", { scope: "col" }, each))),
    ),
    body,
  );
  const view = h(
    "div",
    {},
    h(
      "div",
      { class: "bar" },
      h("h1", {}, "Events"),
      field("Spacecraft", craft),
      field("Type", type),
      field("Severity", severity),
      field("Search", text),
    ),
    may("operator") && recording(() => query.get("sc") ?? ""),
    news,
    table,
    note,
    more,
  );
  const shown = () => Math.min(1000, Number(query.get("n")) || PORTION);

  /** @param {AbortSignal} signal */
  async function ask(signal) {
    const wanted = { limit: shown(), q: query.get("q"), types: query.get("type"), minSeverity: query.get("severity") };
    const of = query.get("sc");
    const { data, cursor } = await get(of ? "/events" : "/events/search", { ...wanted, spacecraftId: of }, signal);
    more.hidden = cursor === null || shown() >= 1000;
    note.textContent =
      data.length === 0 ? "No event fits what is asked for." : cursor === null ? "" : `The newest ${data.length} are shown.`;
    const known = new Set([...body.children].map((each) => /** @type {HTMLElement} */ (each).dataset.key));
    const isNew = data.filter((/** @type {any} */ each) => !known.has(each.id)).length;
    if (known.size > 0 && isNew > 0 && scrollY > 80) {
      waiting = data; // what somebody reads does not move away
      news.textContent = `${isNew} new: show`;
      news.hidden = false;
    } else {
      fill(data);
    }
  }

  /** @param {any[]} found */
  function fill(found) {
    news.hidden = true;
    keyed(body, found, (each) => each.id, row);
    table.hidden = found.length === 0;
  }

  return {
    title: "Events",
    view,
    ask,
    /** @param {import("../route.js").Route} next */
    show(next) {
      query = next.query;
      body.replaceChildren();
      for (const [input, name] of [
        [text, "q"],
        [craft, "sc"],
        [type, "type"],
        [severity, "severity"],
      ]) {
        if (document.activeElement !== input) input.value = query.get(name) ?? "";
      }
    },
    concerns: (/** @type {any} */ hint) => hint.events,
  };
}

/** @param {any} event */
function row(event) {
  const hasMore = Object.keys(event.metadata).length > 0;
  return h(
    "tr",
    {},
    h("td", { class: "time" }, h("time", { datetime: event.timestamp }, utc(event.timestamp))),
    h("td", {}, event.spacecraftId ? h("a", { href: link(["events"], { sc: event.spacecraftId }) }, event.spacecraftId) : "all"),
    h("td", {}, severityMark(event.severity)),
    h("td", {}, word(event.type)),
    h(
      "td",
      { class: "message" },
      event.message,
      hasMore &&
        h(
          "details",
          {},
          h("summary", {}, "Details"),
          h(
            "pre",
            { tabindex: "0" },
            JSON.stringify(event.metadata, (_, value) => (typeof value === "bigint" ? String(value) : value), 2),
          ),
        ),
    ),
  );
}

/** @param {() => string} spacecraft */
function recording(spacecraft) {
  const craft = h("input", { required: true, maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]*", autocomplete: "off" });
  const message = h("input", { required: true, maxlength: 4096, class: "long", autocomplete: "off" });
  const severity = select(
    "LOW",
    SEVERITIES.map((each) => [each, word(each)]),
    () => {},
  );
  const answer = h("output", {});
  const form = h(
    "form",
    {
      class: "bar",
      submit: async (/** @type {Event} */ event) => {
        event.preventDefault();
        try {
          await post("/events", { spacecraftId: craft.value, type: "INFO", severity: severity.value, message: message.value });
          answer.textContent = "Recorded.";
          message.value = "";
        } catch (error) {
          answer.textContent = /** @type {Error} */ (error).message;
        }
      },
    },
    field("Spacecraft", craft),
    field("Severity", severity),
    field("What happened", message),
    h("button", {}, "Record"),
    answer,
  );
  return h(
    "details",
    {
      class: "panel",
      toggle: () => {
        craft.value ||= spacecraft();
      },
    },
    h("summary", {}, "Record a note"),
    form,
  );
}
