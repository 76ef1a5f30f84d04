// Where the ticks of an axis lie, and what stands at them. Times are UTC.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7].map((count) => count * DAY),
];
const MONTHS = [1, 3, 6, 12, 24, 60, 120, 240, 600];

/**
 * The ticks between two times, at most `most` of them: the label, and the date where it begins or changes.
 * @param {number} from
 * @param {number} to
 * @param {number} most
 * @returns {{at: number, label: string, date: string}[]}
 */
export function timeTicks(from, to, most) {
  const step = STEPS.find((each) => (to - from) / each <= most);
  const times = step === undefined ? monthTicks(from, to, most) : evenTicks(from, to, step);
  let before = "";
  return times.map((at) => {
    const [date, clock] = text(at).split(" ");
    const isNew = date !== before;
    before = date;
    if (step === undefined || step >= DAY) return { at, label: date, date: "" };
    const digits = step >= MINUTE ? 5 : step >= SECOND ? 8 : step >= 1 ? 12 : 15;
    return { at, label: clock.slice(0, digits), date: isNew ? date : "" };
  });
}

/**
 * A time to the microsecond, without an offset: `2026-11-25 10:00:00.000000`.
 * @param {number} at
 */
export function text(at) {
  const whole = Math.floor(at + 1e-7);
  const micros = Math.min(999, Math.max(0, Math.round((at - whole) * 1000)));
  return new Date(whole).toISOString().replace("T", " ").replace("Z", String(micros).padStart(3, "0"));
}

/**
 * @param {number} from
 * @param {number} to
 * @param {number} step
 */
function evenTicks(from, to, step) {
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, index) => (first + index) * step);
}

/**
 * @param {number} from
 * @param {number} to
 * @param {number} most
 */
function monthTicks(from, to, most) {
  const step = MONTHS.find((each) => (to - from) / (each * 30.4 * DAY) <= most) ?? 1200;
  const first = new Date(from);
  const times = [];
  for (let month = Math.floor((first.getUTCFullYear() * 12 + first.getUTCMonth()) / step) * step; ; month += step) {
    const at = Date.UTC(Math.floor(month / 12), month % 12);
    if (at > to) return times;
    if (at >= from) times.push(at);
  }
}

/**
 * Round numbers between two others.
 * @param {number} low
 * @param {number} high
 * @param {number} most
 */
export function valueTicks(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough;
  const first = Math.ceil(low / step);
  const count = Math.max(0, Math.min(50, Math.floor(high / step) - first + 1));
  return Array.from({ length: count }, (_, index) =>
    step >= 1 ? (first + index) * step : Number(((first + index) * step).toPrecision(12)),
  );
}

/**
 * The values that a pane shows: the numbers, with the limits that they come near, and some room.
 * @param {number} low
 * @param {number} high
 * @param {number[]} limits
 */
export function valueRange(low, high, limits) {
  const size = high - low || Math.abs(high) * 0.1 || 1;
  const near = limits.filter((limit) => limit > low - size && limit < high + size);
  const [least, most] = [Math.min(low, ...near), Math.max(high, ...near)];
  const room = (most - least || size) * 0.08;
  return { low: least - room, high: most + room };
}
