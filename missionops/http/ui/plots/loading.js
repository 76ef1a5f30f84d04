// The series and states of a plot, page by page, as arrays that can be drawn. A time is milliseconds since 1970.

import { iso } from "../range.js";
import { get } from "../session.js";
import { LIMITS, listed } from "../values.js";

/** Parameters times points that one request may ask for. */
const VALUES = 40_000;
const MOST_POINTS = 5000;
const MOST_JUDGED = 1000;
const MOST_EVENTS = 200;
export const MOST_PARAMETERS = 20;

/**
 * Numbers of one parameter, a column for each property. A point is a bucket with samples, or a sample.
 * @typedef {{parameter: string, isSamples: boolean, gap: number | null, at: number[], from: number[], to: number[],
 *            min: any[], max: any[], last: any[], minAt: number[], maxAt: number[], count: number[],
 *            violations: {at: number, until: number, severity: string, count: number}[], isCut: boolean, others: number,
 *            limits: {limits: Record<string, any>, spans: Span[]}[]}} Trace
 * @typedef {{from: number, to: number, version: number}} Span
 * @typedef {{parameter: string, spans: {from: number, to: number, value: string | boolean, count: number}[]}} States
 * @typedef {{from: number, to: number, step: number, traces: Trace[], states: States[], isComplete: boolean, loadedTo: number,
 *            events: {at: number, message: string}[]}} Data
 */

/**
 * The data of a range, and again with each page that is loaded, until it is complete.
 * @param {string} spacecraft
 * @param {string[]} names
 * @param {{from: number, to: number}} range
 * @param {number} width about how many points of each parameter are of use
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Data>}
 */
export async function* load(spacecraft, names, range, width, signal) {
  const points = Math.max(1, Math.min(MOST_POINTS, Math.floor(VALUES / names.length), Math.round(width)));
  const query = { spacecraftId: spacecraft, from: iso(range.from), to: iso(range.to) };
  const traces = new Map(names.map((name) => [name, none(name)]));
  let cursor = null;
  let step = 0;
  do {
    const page = await get("/telemetry/series", { ...query, parameters: listed(names), points, cursor }, signal);
    for (const series of page.data.series) append(/** @type {Trace} */ (traces.get(series.parameter)), series, page.data);
    step = page.data.step;
    cursor = page.cursor;
    const all = [...traces.values()];
    if (cursor)
      yield {
        ...range,
        step,
        traces: all,
        states: [],
        isComplete: false,
        events: [],
        loadedTo: Math.max(range.from, ...all.map((trace) => trace.to.at(-1) ?? 0)),
      };
  } while (cursor);
  const all = [...traces.values()];
  const texts = all.filter((trace) => trace.others > 0).map((trace) => trace.parameter);
  /** @type {Map<string, States>} */
  const states = new Map(texts.map((parameter) => [parameter, { parameter, spans: [] }]));
  if (texts.length > 0) {
    do {
      const page = await get("/telemetry/states", { ...query, parameters: listed(texts), cursor }, signal);
      for (const found of page.data.states) lengthen(/** @type {States} */ (states.get(found.parameter)), found.spans);
      cursor = page.cursor;
      if (cursor)
        yield {
          ...range,
          step,
          traces: all,
          states: [...states.values()],
          isComplete: false,
          events: [],
          loadedTo: Math.max(range.from, ...[...states.values()].map((each) => each.spans.at(-1)?.to ?? 0)),
        };
    } while (cursor);
  }
  for (const parameter of texts) await judge(/** @type {Trace} */ (traces.get(parameter)), { ...query, parameter }, signal);
  const data = { ...range, step, traces: all, states: [...states.values()], isComplete: true, loadedTo: range.to, events: [] };
  yield data;
  const { data: found } = await get("/events", { ...query, limit: MOST_EVENTS }, signal);
  if (found.length > 0)
    yield { ...data, events: found.map((/** @type {any} */ each) => ({ at: moment(each.timestamp), message: each.message })) };
}

/**
 * What was found wrong with texts, the newest: a series has only what its numbers broke.
 * @param {Trace} trace
 * @param {Record<string, string>} query
 * @param {AbortSignal} signal
 */
async function judge(trace, query, signal) {
  const { data, cursor } = await get("/anomalies", { ...query, limit: MOST_JUDGED }, signal);
  trace.isCut = cursor !== null;
  for (const { timestamp, severity, value } of data.reverse()) {
    if (typeof value !== "number" && typeof value !== "bigint")
      trace.violations.push({ at: moment(timestamp), until: moment(timestamp), severity, count: 1 });
  }
}

/**
 * @param {string} parameter
 * @returns {Trace}
 */
const none = (parameter) => ({
  parameter,
  isSamples: true,
  gap: null,
  at: [],
  from: [],
  to: [],
  min: [],
  max: [],
  last: [],
  minAt: [],
  maxAt: [],
  count: [],
  violations: [],
  isCut: false,
  others: 0,
  limits: [],
});

/**
 * @param {Trace} trace
 * @param {any} series
 * @param {{origin: string, step: number}} page
 */
function append(trace, series, page) {
  const origin = moment(page.origin);
  const step = page.step * 1000;
  const isSamples = series.kind === "samples";
  trace.isSamples &&= isSamples;
  trace.others += series.others;
  if (series.gap !== null) trace.gap = Math.max(trace.gap ?? 0, series.gap * 1000);
  const size = isSamples ? series.t.length : series.bucket.length;
  for (let index = 0; index < size; index += 1) {
    const from = origin + (isSamples ? series.t[index] * 1000 : series.bucket[index] * step);
    trace.at.push(isSamples ? from : from + step / 2);
    trace.from.push(from);
    trace.to.push(isSamples ? from : from + step);
    trace.min.push(isSamples ? series.value[index] : series.min[index]);
    trace.max.push(isSamples ? series.value[index] : series.max[index]);
    trace.last.push(isSamples ? series.value[index] : series.last[index]);
    trace.minAt.push(isSamples ? from : origin + series.minAt[index] * 1000);
    trace.maxAt.push(isSamples ? from : origin + series.maxAt[index] * 1000);
    trace.count.push(isSamples ? 1 : series.count[index]);
  }
  for (const [severity, found] of Object.entries(series.violations)) {
    for (const [place, count] of /** @type {[number, number][]} */ (found)) {
      const at = isSamples ? origin + series.t[place] * 1000 : origin + place * step;
      trace.violations.push({ at, until: isSamples ? at : at + step, severity, count });
    }
  }
  trace.violations.sort((one, other) => one.at - other.at);
  for (const { spans, ...limits } of series.limits) {
    const known = trace.limits.find((each) => sameLimits(each.limits, limits)) ?? { limits, spans: /** @type {Span[]} */ ([]) };
    if (!trace.limits.includes(known)) trace.limits.push(known);
    for (const span of spans) {
      const last = known.spans.at(-1);
      const [from, to] = [moment(span.from), moment(span.to)];
      if (last && last.version === span.version && trace.limits.length === 1) last.to = to;
      else known.spans.push({ from, to, version: span.version });
    }
  }
}

/**
 * @param {Record<string, any>} one
 * @param {Record<string, any>} other
 */
const sameLimits = (one, other) => LIMITS.every((name) => one[name] === other[name]);

/**
 * @param {States} states
 * @param {any[]} spans
 */
function lengthen(states, spans) {
  for (const { from, to, value, count } of spans) {
    const last = states.spans.at(-1);
    if (last && last.value === value) {
      last.to = moment(to);
      last.count += count;
    } else {
      states.spans.push({ from: moment(from), to: moment(to), value, count });
    }
  }
}

/**
 * A time of the service with its microseconds.
 * @param {string} text
 */
function moment(text) {
  const micros = /\.\d{3}(\d{3})/.exec(text);
  return Date.parse(text) + (micros ? Number(micros[1]) / 1000 : 0);
}
