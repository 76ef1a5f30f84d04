// Previews: what a draft would have found in stored telemetry, asked for part by part and put together.

import { RequestError, send, written } from "../session.js";

/** Means that are kept of one parameter; more are put together, two by two. */
const MOST_MEANS = 400;
const MOST_SHOWN = 20;
const LEVELS = ["LOW", "MEDIUM", "HIGH", "CRITICAL"];
export const KINDS = /** @type {const} */ (["gained", "lost", "changed"]);

/** @typedef {{from: string, to: string}} Range */

export class Preview {
  /**
   * @param {string} spacecraft
   * @param {any} document
   * @param {Range} range
   * @param {() => void} changed
   */
  constructor(spacecraft, document, range, changed) {
    this.path = `/spacecraft/${encodeURIComponent(spacecraft)}/config/preview?from=${encodeURIComponent(range.from)}&to=${encodeURIComponent(range.to)}`;
    this.document = document;
    this.range = range;
    this.changed = changed;
    /** @type {Map<string, any>} */
    this.parameters = new Map();
    this.snapshots = 0;
    this.progress = 0;
    this.isComplete = false;
    /** Up to which time it is read. */
    this.until = range.from;
    /** @type {{path: string, message: string}[]} */
    this.warnings = [];
    /** @type {RequestError | null} */
    this.failure = null;
    /** @type {string | null} */
    this.cursor = null;
    /** @type {AbortController | null} */
    this.running = null;
  }

  /** Begin, or go on where it stopped; ends when all is read, when it is stopped, or with a failure. */
  async run() {
    const own = new AbortController();
    const text = written(this.document);
    this.running = own;
    this.failure = null;
    this.changed();
    try {
      do {
        const path = this.cursor === null ? this.path : `${this.path}&cursor=${encodeURIComponent(this.cursor)}`;
        const { data, cursor } = await send("POST", path, text, { signal: own.signal });
        this.add(data);
        this.cursor = cursor;
        this.changed();
      } while (this.cursor !== null);
    } catch (error) {
      if (own.signal.aborted) return;
      if (!(error instanceof RequestError)) throw error;
      this.failure = error;
    }
    this.running = null;
    this.changed();
  }

  stop() {
    this.running?.abort();
    this.running = null;
    this.changed();
  }

  /** @param {any} page */
  add(page) {
    for (const name of page.restarted) this.parameters.delete(name);
    for (const one of page.parameters) {
      const known = this.parameters.get(one.parameter);
      if (known) join(known, one);
      else this.parameters.set(one.parameter, one);
    }
    this.snapshots += page.snapshots;
    this.progress = page.progress;
    this.until = page.until;
    this.isComplete = page.complete;
    this.warnings = [...this.warnings, ...page.warnings];
  }

  /** Alarms that differ, over all parameters. */
  get counts() {
    const found = { gained: 0, lost: 0, changed: 0 };
    for (const one of this.parameters.values()) for (const kind of KINDS) found[kind] += one.counts[kind];
    return found;
  }

  /**
   * Alarms that differ, the worst first.
   * @param {number} most
   * @returns {{kind: string, parameter: string, alarm: any}[]}
   */
  examples(most) {
    const all = [...this.parameters.values()].flatMap((one) =>
      KINDS.flatMap((kind) => one[kind].map((/** @type {any} */ alarm) => ({ kind, parameter: one.parameter, alarm }))),
    );
    return all.sort((one, other) => order(one.alarm, other.alarm)).slice(0, most);
  }
}

/**
 * Put the next part of one parameter into what came before.
 * @param {any} known
 * @param {any} more
 */
function join(known, more) {
  known.count += more.count;
  known.observed = known.observed && more.observed ? merged(known.observed, more.observed) : (known.observed ?? more.observed);
  for (const side of ["now", "then"]) {
    for (const name of ["alarms", "seconds", "anomalies"]) known[side][name] += more[side][name];
    for (const [severity, count] of Object.entries(more[side].bySeverity)) {
      known[side].bySeverity[severity] = (known[side].bySeverity[severity] ?? 0) + count;
    }
  }
  for (const kind of KINDS) {
    known.counts[kind] += more.counts[kind];
    known[kind] = [...known[kind], ...more[kind]].sort(order).slice(0, MOST_SHOWN);
  }
}

/** @typedef {{min: number, max: number, p01: number, p99: number, digest: [number, number][]}} Observed */

/**
 * @param {Observed} one
 * @param {Observed} other
 * @returns {Observed}
 */
function merged(one, other) {
  const [min, , , max] = [one.min, one.max, other.min, other.max].sort((a, b) => (a < b ? -1 : 1)); // some may be a BigInt
  /** @type {[number, number][]} */
  const all = [...one.digest, ...other.digest].map(([mean, count]) => [Number(mean), count]);
  let digest = all.sort((a, b) => a[0] - b[0]);
  while (digest.length > MOST_MEANS) digest = paired(digest);
  return { min, max, p01: quantile(digest, min, max, 0.01), p99: quantile(digest, min, max, 0.99), digest };
}

/**
 * Neighbours as one, but for those at the ends, which the percentiles are about.
 * @param {[number, number][]} digest
 */
function paired(digest) {
  const ends = MOST_MEANS / 8;
  /** @type {[number, number][]} */
  const middle = [];
  for (let index = ends; index < digest.length - ends; index += 2) {
    const [one, other] = [digest[index], digest[index + 1]];
    const isLast = index + 1 >= digest.length - ends;
    middle.push(isLast ? one : [(one[0] * one[1] + other[0] * other[1]) / (one[1] + other[1]), one[1] + other[1]]);
  }
  return [...digest.slice(0, ends), ...middle, ...digest.slice(-ends)];
}

/**
 * The number below which a share of all lies.
 * @param {[number, number][]} digest
 * @param {number} min
 * @param {number} max
 * @param {number} share
 */
function quantile(digest, min, max, share) {
  const wanted = share * digest.reduce((sum, [, count]) => sum + count, 0);
  let [place, number, below] = [0, Number(min), 0];
  for (const [mean, count] of digest) {
    const middle = below + count / 2;
    if (wanted <= middle) return number + (mean - number) * ((wanted - place) / (middle - place));
    [place, number, below] = [middle, mean, below + count];
  }
  return number + (Number(max) - number) * ((wanted - place) / (below - place));
}

/** @param {any} alarm */
const sides = (alarm) => (alarm.then ? [alarm.now, alarm.then] : [alarm]);

/** @param {any} alarm */
export const level = (alarm) => Math.max(...sides(alarm).map((side) => LEVELS.indexOf(side.severity)));

/** @param {any} side */
const lasting = (side) => (side.end === null ? Number.MAX_VALUE : Date.parse(side.end) - Date.parse(side.start));

/**
 * The worst first, then the longest, then the earliest, as the service has it.
 * @param {any} one
 * @param {any} other
 */
function order(one, other) {
  const longest = (/** @type {any} */ alarm) => Math.max(...sides(alarm).map(lasting));
  const start = (/** @type {any} */ alarm) => sides(alarm).at(-1).start;
  return level(other) - level(one) || longest(other) - longest(one) || (start(one) < start(other) ? -1 : 1);
}
