// Events: what happened, newest first, of all spacecraft or of one.

import { now, utc } from "../clock.js";
import { h, keyed } from "../dom.js";
import { cell, save } from "../files.js";
import { diff } from "../limits/versions.js";
import { field, search, select } from "../page.js";
import { iso } from "../range.js";
import { change, link } from "../route.js";
import { get, may, post, written } from "../session.js";
import { severityMark } from "../state.js";
import { TimeFields } from "../time_fields.js";

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
  /** @type {any[]} */
  let listed = [];
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
  const times = new TimeFields((changes) => change({ ...changes, n: null }));
  const file = h(
    "button",
    {
      type: "button",
      title: "What is shown, as a file",
      click: () => save(new Blob([csv(listed)], { type: "text/csv" }), `events_${iso(now())}.csv`),
    },
    "CSV",
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
      times.view,
      file,
    ),
    times.fault,
    may("operator") && recording(() => query.get("sc") ?? ""),
    news,
    table,
    note,
    more,
  );
  const shown = () => Math.max(PORTION, Math.min(1000, Number(query.get("n")) || 0));
  /** A setting of the link, if it is one that there is: an old link still opens. */
  const known = (/** @type {string} */ name, /** @type {string[]} */ words) => words.find((each) => each === query.get(name)) ?? null;

  /** @param {AbortSignal} signal */
  async function ask(signal) {
    const wanted = {
      limit: shown(),
      q: query.get("q"),
      types: known("type", TYPES),
      minSeverity: known("severity", SEVERITIES),
      ...times.request,
    };
    const of = query.get("sc");
    const { data, cursor } = await get(of ? "/events" : "/events/search", { ...wanted, spacecraftId: of }, signal);
    more.hidden = cursor === null || shown() >= 1000;
    const isAny = ["sc", "q", "type", "severity", "from", "to"].some((name) => query.has(name));
    const none = isAny ? "No event fits what is asked for." : "No event yet.";
    note.textContent = data.length === 0 ? none : cursor === null ? "" : `The newest ${data.length} are shown.`;
    const there = new Set([...body.children].map((each) => /** @type {HTMLElement} */ (each).dataset.key));
    const isNew = data.filter((/** @type {any} */ each) => !there.has(each.id)).length;
    if (there.size > 0 && isNew > 0 && scrollY > 80) {
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
    listed = found;
    file.hidden = found.length === 0;
    keyed(body, found, (each) => each.id, row);
    table.hidden = found.length === 0;
  }

  times.show(query);
  return {
    title: "Events",
    view,
    ask,
    /** @param {import("../route.js").Route} next */
    show(next) {
      query = next.query;
      times.show(query);
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

const HEADS = ["time", "spacecraft", "severity", "type", "message", "metadata"];

/** @param {any[]} found */
function csv(found) {
  const lines = found.map((each) =>
    [each.timestamp, each.spacecraftId ?? "", each.severity, each.type, cell(each.message), cell(written(each.metadata))].join(","),
  );
  return `${[HEADS.join(","), ...lines].join("\r\n")}\r\n`;
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
    h("td", { class: "message" }, event.message, hasMore && details(event)),
  );
}

/**
 * What else is known of an event, once somebody wants to see it; of a change what differs, and not both sides whole.
 * @param {any} event
 */
function details({ type, spacecraftId, metadata }) {
  const { before, after, ...others } = metadata;
  const isChange = typeof after === "object" && after !== null;
  const found = h("details", {
    toggle: () => {
      if (found.childElementCount > 1) return;
      found.append(
        ...(isChange ? [diff(before ?? {}, after, "What was changed", ["Before", "After"])] : []),
        // A long config is not in the event: its versions are compared where they are kept.
        !isChange && type === "CONFIG_CHANGED"
          ? h("p", {}, h("a", { href: link(["sc", spacecraftId, "limits"], { view: "versions" }) }, "Compare its versions"))
          : "",
        h("pre", { tabindex: "0" }, written(isChange ? others : metadata, 2)),
      );
    },
  });
  found.append(h("summary", {}, isChange ? "What was changed" : "Details"));
  return found;
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
