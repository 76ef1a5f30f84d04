// One alarm: its facts, what to do about it, the documents that help, and all that happened to it.

import { ShelfDialog } from "../alarms/shelf_dialog.js";
import { Documents } from "../alarms/documents.js";
import { AlarmPlot } from "../alarms/plot.js";
import { acknowledge, addComment, unshelve } from "../alarms/operator.js";
import { CHECK_WORDS, isOver, limitText, nameOf, STATE_WORDS, valueText, waits, word } from "../alarms/words.js";
import { age, duration, utc } from "../clock.js";
import { h } from "../dom.js";
import { link } from "../route.js";
import { get, may } from "../session.js";
import { alarmMark } from "../state.js";

/** @typedef {import("../alarms/words.js").Alarm} Alarm */

/** @param {import("../route.js").Route} route */
export function alarm(route) {
  const id = route.path[1];
  /** @type {Alarm | null} */
  let seen = null;
  const isOperator = may("operator");
  const head = h("div", { class: "bar" });
  const facts = h("dl", { class: "facts" });
  const guidance = h("div", { class: "text guidance" });
  const plot = new AlarmPlot();
  const history = h("ol", { class: "history" });
  const said = h("ul", { class: "said", role: "status", "aria-label": "What was done" });
  const comment = h("input", { class: "long", maxlength: 4096, autocomplete: "off", "aria-label": "Comment", placeholder: "Comment" });
  const documents = new Documents();
  const say = (/** @type {string[]} */ sentences) => said.replaceChildren(...sentences.map((each) => h("li", {}, each)));
  const dialog = new ShelfDialog((sentences) => sentences.length && say(sentences));
  const take = h("button", { type: "submit", class: "primary" }, "Acknowledge");
  const putAside = h("button", { type: "button", click: () => seen && dialog.open([seen]) }, "Shelve …");
  const takeBack = h(
    "button",
    {
      type: "button",
      click: () =>
        run(async () => {
          if (!seen) return;
          const { spacecraftId, parameter } = seen;
          const shelves = (await get("/alarms/shelves")).data.filter(
            (/** @type {any} */ one) =>
              one.spacecraftId === spacecraftId &&
              (one.parameter === undefined || one.parameter === parameter) &&
              (!one.check || one.check === seen?.check),
          );
          for (const one of shelves)
            await unshelve({
              spacecraftId,
              ...(one.parameter === undefined ? {} : { parameter: one.parameter }),
              ...(one.check && one.parameter !== null ? { check: one.check } : {}),
            });
          say(["It is no longer shelved."]);
        }),
    },
    "Unshelve",
  );
  const actions = h(
    "form",
    {
      class: "bar",
      submit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void accept();
      },
    },
    comment,
    take,
    h("button", { type: "button", click: () => void write() }, "Comment only"),
    putAside,
    takeBack,
  );
  const view = h(
    "div",
    { class: "alarm-page" },
    h("p", {}, h("a", { href: link(["alarms"]) }, "← Alarms")),
    head,
    h(
      "div",
      { class: "beside" },
      h(
        "div",
        {},
        isOperator && actions,
        said,
        facts,
        h("h2", {}, "What to do"),
        guidance,
        plot.view,
        h("h2", {}, "What happened to it"),
        history,
      ),
      documents.view,
    ),
    isOperator && dialog.dialog,
  );

  /** @param {() => Promise<void>} action */
  async function run(action) {
    try {
      await action();
    } catch (error) {
      say([/** @type {Error} */ (error).message]);
    }
  }

  const accept = () =>
    run(async () => {
      if (!seen || !waits(seen)) return;
      const result = await acknowledge([seen], comment.value.trim());
      comment.value = result.done.length ? "" : comment.value;
      say(result.said.length ? result.said : result.by.length ? result.by : ["Acknowledged."]);
    });

  const write = () =>
    run(async () => {
      if (!seen || comment.value.trim() === "") return comment.focus();
      await addComment([seen], comment.value.trim());
      comment.value = "";
      say(["Written."]);
    });

  /** @param {AbortSignal} signal */
  async function ask(signal) {
    const { data, cursor } = await get(`/alarms/${encodeURIComponent(id)}`, {}, signal);
    seen = data;
    const found = /** @type {Alarm} */ (data);
    head.replaceChildren(
      h("h1", {}, nameOf(found)),
      alarmMark(found.severity, waits(found) ? "flash" : isOver(found) ? "quiet" : ""),
      h("span", {}, STATE_WORDS[found.state]),
      ...["late", "masked", "shelved"]
        .filter((name) => found[/** @type {"late"} */ (name)])
        .map((name) => h("span", { class: "tag" }, name)),
    );
    take.disabled = !waits(found);
    takeBack.hidden = !found.shelved;
    facts.replaceChildren(...told(found).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
    guidance.textContent = found.guidance ?? "Its rule gives no guidance.";
    history.replaceChildren(...(found.history ?? []).map(entry), cursor ? h("li", { class: "note" }, "There is more than is shown.") : "");
    await Promise.all([documents.ask(found, signal), plot.ask(found, signal)]);
  }

  return {
    title: "Alarm",
    view,
    ask,
    concerns: (/** @type {import("../live.js").Hint} */ hint) => hint.alarms || hint.events,
    leave() {
      dialog.dialog.remove();
      plot.plot.stop();
    },
    keys: isOperator
      ? [
          { key: "a", text: "acknowledge it", run: () => void accept() },
          {
            key: "s",
            text: "shelve it",
            run: (/** @type {KeyboardEvent} */ event) => {
              event.preventDefault();
              if (seen) dialog.open([seen]);
            },
          },
        ]
      : [],
  };
}

/**
 * @param {Alarm} found
 * @returns {[string, any][]}
 */
function told(found) {
  const at = (/** @type {import("../alarms/words.js").Sample} */ { value, timestamp }) =>
    `${valueText(value, found.unit)} at ${utc(timestamp)} UTC`;
  /** @type {[string, any][]} */
  const rows = [
    ["What", found.description],
    ["Spacecraft", h("a", { href: link(["sc", found.spacecraftId]) }, found.spacecraftId)],
    ["Parameter", found.parameter ?? "none: nothing was received"],
    ["Check", `${CHECK_WORDS[found.check]}: ${limitText(found)}, config version ${found.configVersion}`],
    ["Since", h("span", {}, `${utc(found.start)} UTC, `, age(found.start))],
    [
      "Raised",
      `${utc(found.raisedAt)} UTC, found ${utc(found.foundAt)} UTC${found.late ? ", late: newer telemetry had been handled by then" : ""}`,
    ],
  ];
  if (found.end)
    rows.push([
      "Until",
      `${utc(found.end)} UTC, after ${duration((Date.parse(found.end) - Date.parse(found.start)) / 1000)}${found.reason === "unmonitored" ? ", as it is no longer checked" : ""}`,
    ]);
  if (found.state === "RETRACTED")
    rows.push([
      "RETRACTED",
      found.mergedInto
        ? h("a", { href: link(["alarms", found.mergedInto]) }, `It goes on as ${found.mergedInto}`)
        : "Later telemetry has shown that it was none.",
    ]);
  if (found.first) rows.push(["First", at(found.first)]);
  if (found.peak) rows.push(["Peak", at(found.peak)]);
  if (found.last) rows.push(["Last", `${at(found.last)}${found.level ? `, ${word(found.level)}` : ""}`]);
  rows.push(["Samples", found.samples.toLocaleString("en")]);
  if (found.subsystem) rows.push(["Subsystem", found.subsystem]);
  if (found.masked) rows.push(["Masked", "Another alarm explains it, and nobody is notified."]);
  if (found.shelved) rows.push(["Shelved", `by ${found.shelved.by} until ${utc(found.shelved.until)} UTC: ${found.shelved.reason}`]);
  if (found.acknowledged)
    rows.push([
      "Acknowledged",
      `by ${found.acknowledged.by} at ${utc(found.acknowledged.at)} UTC${found.acknowledged.comment ? `: ${found.acknowledged.comment}` : ""}`,
    ]);
  rows.push(["Id", h("code", {}, found.id)]);
  return rows;
}

/** @param {any} one */
function entry(one) {
  return h(
    "li",
    {},
    h("time", { datetime: one.at }, `${utc(one.at)} UTC`),
    " ",
    h("b", {}, word(one.transition)),
    one.by ? ` by ${one.by}` : "",
    one.comment ? h("div", { class: "message" }, one.comment) : "",
  );
}
