// Plots: parameters of a spacecraft over time, live or of a range; the link holds the whole view.

import * as clock from "../clock.js";
import { h } from "../dom.js";
import { save } from "../files.js";
import { field } from "../page.js";
import { csv, png } from "../plots/export.js";
import * as keys from "../plots/keys.js";
import { load, MOST_PARAMETERS } from "../plots/loading.js";
import { Overview } from "../plots/overview.js";
import { RangeForm } from "../plots/range_form.js";
import { Readout } from "../plots/readout.js";
import { PlotView } from "../plots/view.js";
import { durationText, iso, named, rangeOf, time } from "../range.js";
import { current, link } from "../route.js";
import { get } from "../session.js";
import { listed, unlisted } from "../values.js";

/** @typedef {import("../range.js").Range} Range */

/** @param {import("../route.js").Route} route */
export function plots(route) {
  const id = route.path[1];
  let query = route.query;
  let names = namesOf(query);
  let range = rangeOf(query, clock.now());
  /** @type {Range[]} */
  const trail = [];
  /** @type {number | null} */
  let liveLength = range.last;
  /** @type {Map<string, string> | null} */
  let units = null;
  let isNew = true;
  /** Whether something came in, or may have, that the picture does not show yet. */
  let isOld = false;
  /** @type {import("../plots/drawing.js").Picture | null} */
  let picture = null;
  let telling = 0;

  const view = new PlotView({ moved, chosen: (found) => go({ ...found, last: null }) });
  const readout = new Readout();
  const overview = new Overview((found) => go({ ...found, last: null }));
  const back = () => {
    const found = trail.pop();
    if (found) visit(found);
  };
  const toggleLive = () => {
    const now = clock.now();
    if (range.last !== null) return go({ from: now - range.last, to: now, last: null });
    const last = liveLength ?? range.to - range.from;
    return go({ from: now - last, to: now, last });
  };
  const form = new RangeForm(go, { live: toggleLive, back, move, zoom });
  const chips = h("span", { class: "chips" });
  const known = h("datalist", { id: "parameters" });
  const adding = h("input", { list: "parameters", maxlength: 256, placeholder: "add a parameter", autocomplete: "off" });
  const facts = h("p", { class: "note plot-facts", role: "status" });
  const actions = h(
    "span",
    { class: "chips" },
    h(
      "button",
      { type: "button", click: () => picture && save(new Blob([csv(picture.data)], { type: "text/csv" }), `${fileName()}.csv`) },
      "CSV",
    ),
    h("button", { type: "button", click: savePicture }, "PNG"),
  );
  const nothing = h(
    "p",
    { class: "empty", hidden: true },
    "Choose a parameter: type its name above, or click a value on the page of the spacecraft.",
  );
  const page = h(
    "div",
    { class: "plots" },
    h(
      "div",
      { class: "bar" },
      h("h1", {}, h("a", { href: link(["sc", id]) }, h("bdi", {}, id)), " plot"),
      chips,
      h("form", { class: "bar adding", submit: add }, field("Parameter", adding), h("button", {}, "Add"), known),
      actions,
    ),
    form.element,
    facts,
    nothing,
    view.element,
    overview.element,
    readout.element,
  );

  /** @param {AbortSignal} signal */
  async function ask(signal) {
    const about = units ? null : unitsOf(id, known, signal);
    about?.catch(() => {}); // whoever waits for it below is told; nobody does where the question has changed meanwhile
    nothing.hidden = names.length > 0;
    for (const part of [view.element, readout.element, facts]) part.hidden = names.length === 0;
    if (names.length === 0) {
      units ??= await about;
      return;
    }
    range = rangeOf(query, clock.now());
    form.show(range);
    if (isNew) facts.textContent = picture ? `Loading … what is shown is the range before. ${factsOf(picture.data)}` : "Loading …";
    for await (const data of load(id, names, range, view.width - 100, signal)) {
      signal.throwIfAborted();
      if (!data.isComplete && !isNew) continue; // the picture that is there is whole
      picture = { data, range, now: clock.now(), units: units ?? new Map() };
      facts.textContent = factsOf(data);
      show();
    }
    isNew = false;
    page.dataset.shown = `${listed(names)} ${query}`;
    if (about) units = await about;
    if (about && picture && units?.size) {
      picture = { ...picture, units };
      show();
    }
    await overview.load(id, names[0], signal);
  }

  function show() {
    if (!picture) return;
    view.show(picture);
    overview.show(picture.range);
    tell();
  }

  function tell() {
    telling = 0;
    if (picture) view.place(view.cursor, readout.show(picture.data, view.cursor, view.close));
  }

  /** @param {import("../plots/loading.js").Data} data */
  function factsOf(data) {
    const count = data.traces.reduce((sum, trace) => sum + trace.count.reduce((one, other) => one + other, 0) + trace.others, 0);
    const versions = [
      ...new Set(data.traces.flatMap((trace) => trace.limits.flatMap((each) => each.spans.map((span) => span.version)))),
    ].sort((one, other) => one - other);
    const none = data.traces.some((trace) => trace.violations.length > 0) ? "limits of states" : "no limits";
    const limits = versions.length === 0 ? none : `limits ${versions.map((version) => `v${version}`).join(" → ")}`;
    const step = data.traces.every((trace) => trace.isSamples)
      ? "every sample"
      : `step ${durationText(data.step * 1000).replace(/(\d)([a-z])/, "$1 $2")}`;
    const cut = data.traces.some((trace) => trace.isCut) ? " · of texts only the newest 1,000 violations are marked" : "";
    const missing = data.isComplete ? "" : ` · LOADING: only until ${clock.utc(data.loadedTo)} so far`;
    return `${clock.utc(data.from)} to ${clock.utc(data.to)} UTC · ${step} · ${count.toLocaleString("en")} samples · ${limits}${cut}${missing}`;
  }

  /**
   * Another range, with the one before kept for going back.
   * @param {Range} found
   */
  function go(found) {
    trail.push(range);
    visit(found);
  }

  /** @param {Range} found */
  function visit(found) {
    location.hash = address({ ...named(found), c: null });
  }

  /** @param {Record<string, any>} changes */
  function address(changes) {
    return link(["sc", id, "plot"], { ...Object.fromEntries(current().query), ...changes });
  }

  /** @param {number} windows */
  function move(windows) {
    const by = windows * (range.to - range.from);
    go({ from: range.from + by, to: range.to + by, last: null });
  }

  /** @param {number} factor */
  function zoom(factor) {
    const now = clock.now();
    if (range.last !== null) {
      const last = Math.max(1000, range.last * factor);
      return go({ from: now - last, to: now, last });
    }
    const middle = view.cursor ?? (range.from + range.to) / 2;
    return go({ from: middle - (middle - range.from) * factor, to: middle + (range.to - middle) * factor, last: null });
  }

  /**
   * @param {number | null} at
   * @param {boolean} isPinned
   */
  function moved(at, isPinned) {
    view.cursor = at;
    if (view.isPinned !== isPinned) {
      view.isPinned = isPinned;
      history.replaceState(null, "", address({ c: isPinned && at !== null ? iso(at) : null }));
    }
    if (telling === 0) telling = requestAnimationFrame(tell); // a pointer moves more often than anyone can see
  }

  /**
   * The next point, or the next violation, before or after the cursor.
   * @param {-1 | 1} side
   * @param {boolean} ofViolations
   */
  function next(side, ofViolations) {
    if (!picture) return;
    const { from, to } = picture.range;
    const here = view.cursor ?? (side < 0 ? to + 1 : from - 1);
    const times = picture.data.traces.flatMap((trace) =>
      ofViolations ? trace.violations.map((each) => (each.at + each.until) / 2) : trace.at,
    );
    const beyond = times.filter((at) => (at - here) * side > 0.0005 && at >= from && at <= to);
    if (beyond.length === 0) return;
    const found = beyond.reduce((one, other) => (Math.abs(other - here) < Math.abs(one - here) ? other : one));
    view.isPinned = false;
    moved(found, true);
  }

  /** @param {Event} event */
  function add(event) {
    event.preventDefault();
    const name = adding.value;
    adding.value = "";
    if (name && !names.includes(name))
      location.hash = address({ p: listed([...names, name]), last: range.last === null ? null : durationText(range.last) });
  }

  function showNames() {
    chips.replaceChildren(
      ...names.map((name) =>
        h(
          "a",
          { class: "chip", href: address({ p: listed(names.filter((each) => each !== name)) }), "aria-label": `Remove ${name}` },
          h("bdi", { class: "clip" }, name),
          "×",
        ),
      ),
      ...(namesOf(query, Infinity).length > MOST_PARAMETERS
        ? [h("span", { class: "note" }, `Only the first ${MOST_PARAMETERS} are shown.`)]
        : []),
    );
  }

  const fileName = () => `${id}_${names.join("_").slice(0, 80)}_${iso(range.from)}_${iso(range.to)}`;

  async function savePicture() {
    if (!picture || !view.colours) return;
    const header = [`${id} · ${names.join(", ")}`, factsOf(picture.data), `Made by missionops at ${clock.utc(clock.now())} UTC`];
    save(await png(picture, view.colours, header), `${fileName()}.png`);
  }

  async function copyRange() {
    await navigator.clipboard?.writeText(`${iso(range.from)}/${iso(range.to)}`);
    facts.textContent = navigator.clipboard
      ? "The range is copied: t v pastes it on another plot."
      : "This browser lets only pages over HTTPS copy.";
  }

  async function pasteRange() {
    const text = (await navigator.clipboard?.readText()) ?? "";
    const [from, to] = text.trim().split(/\s*\/\s*|\s+to\s+/);
    form.typed(from, to ?? "now");
  }

  const ticking = setInterval(() => {
    view.tick();
    form.showMode(range);
    if (range.last === null || !picture?.data.isComplete || isNew || isOld || document.body.classList.contains("lost")) return undefined;
    const now = clock.now();
    picture = { ...picture, now, range: { from: now - range.last, to: now } };
    return show();
  }, 1000);
  keys.listen(view.element, view.left.signal, {
    ArrowLeft: () => next(-1, false),
    ArrowRight: () => next(1, false),
    "Shift ArrowLeft": () => move(-0.5),
    "Shift ArrowRight": () => move(0.5),
    "+": () => zoom(0.5),
    "-": () => zoom(2),
    b: back,
    0: () => trail.length > 0 && visit(trail.splice(0)[0]),
    " ": toggleLive,
    "[": () => next(-1, true),
    "]": () => next(1, true),
    "t c": () => void copyRange(),
    "t v": () => void pasteRange(),
  });
  takeCursor();
  showNames();
  form.show(range);

  function takeCursor() {
    const at = time(query.get("c") ?? "", clock.now());
    view.isPinned = typeof at === "number";
    view.cursor = typeof at === "number" ? at : null;
  }

  return {
    title: `${id} plot`,
    view: page,
    keys: keys.LISTED,
    /** @param {AbortSignal} signal */
    async ask(signal) {
      isOld = true;
      await ask(signal);
      isOld = false;
    },
    /** @param {import("../route.js").Route} following */
    show(following) {
      query = following.query;
      names = namesOf(query);
      range = rangeOf(query, clock.now());
      liveLength = range.last ?? liveLength;
      isNew = true;
      takeCursor();
      showNames();
      form.show(range);
    },
    concerns: (/** @type {any} */ hint) => (!hint.spacecraft || hint.spacecraft.includes(id)) && range.to > clock.now() - 60_000,
    leave() {
      clearInterval(ticking);
      view.stop();
    },
  };
}

/**
 * @param {URLSearchParams} query
 * @param {number} [most]
 */
const namesOf = (query, most = MOST_PARAMETERS) => [...new Set(unlisted(query.get("p") ?? ""))].filter(Boolean).slice(0, most);

/**
 * The units of parameters; their names are offered where one is added.
 * @param {string} id
 * @param {HTMLElement} known
 * @param {AbortSignal} signal
 */
async function unitsOf(id, known, signal) {
  const { data } = await get("/telemetry/latest", { spacecraftId: id }, signal);
  known.replaceChildren(...data.parameters.map((/** @type {any} */ each) => h("option", { value: each.name })));
  return new Map(data.parameters.filter((/** @type {any} */ each) => each.unit).map((/** @type {any} */ each) => [each.name, each.unit]));
}
