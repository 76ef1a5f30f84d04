// One connection to /changes: the stream of hints, opened again whenever it ends, from where it ended.

/** Milliseconds without a sign of life after which the link is lost: two pulses. */
export const LOST = 10_000;
const LONGEST_PAUSE = 10_000;

/**
 * @typedef {{spacecraft: string[] | null, alarms: boolean, events: boolean, configs: boolean, at?: string}} Hint
 * @typedef {{event: "changed" | "reset" | "pulse", data: any} | {event: "refused"}} Message
 */

/**
 * Two hints as one: what either says may have changed.
 * @param {Hint | null} first
 * @param {Hint} second
 * @returns {Hint}
 */
export function merged(first, second) {
  if (first === null) return second;
  const isAny = first.spacecraft === null || second.spacecraft === null;
  return {
    at: second.at ?? first.at,
    spacecraft: isAny ? null : [...new Set([...(first.spacecraft ?? []), ...(second.spacecraft ?? [])])],
    alarms: first.alarms || second.alarms,
    events: first.events || second.events,
    configs: first.configs || second.configs,
  };
}

/** What stands for: nobody knows what was changed. */
export const ANY = { spacecraft: null, alarms: true, events: true, configs: true };

export class ChangesConnection {
  /**
   * @param {string | null} token
   * @param {(message: Message) => void} report
   */
  constructor(token, report) {
    this.token = token;
    this.report = report;
    /** @type {string | null} */
    this.cursor = null;
    this.isConnected = false;
    this.failures = 0;
    this.heardAt = 0;
    /** @type {AbortController | null} */
    this.attempt = null;
    /** @type {any} */
    this.timer = 0;
  }

  /** Follow the changes, from now on; where it waits for another attempt, this is it. */
  start() {
    this.stop();
    const attempt = new AbortController();
    this.attempt = attempt;
    this.heardAt = performance.now();
    void this.follow(attempt);
  }

  stop() {
    clearTimeout(this.timer);
    this.attempt?.abort();
    this.attempt = null;
    this.isConnected = false;
  }

  /** @param {AbortController} attempt */
  async follow(attempt) {
    // A service that stands still neither answers nor hangs up.
    const watch = setInterval(() => performance.now() - this.heardAt > LOST && attempt.abort(), 1000);
    try {
      const query = this.cursor ? `?after=${encodeURIComponent(this.cursor)}` : "";
      /** @type {Record<string, string>} */
      const headers = { Accept: "text/event-stream" };
      if (this.token) headers.Authorization = `Bearer ${this.token}`;
      const response = await fetch(`/changes${query}`, { headers, signal: attempt.signal, cache: "no-store" });
      if (response.status === 401 || response.status === 403) {
        this.report({ event: "refused" });
        return;
      }
      if (response.status === 400) this.cursor = null; // of another service, which starts with a reset
      if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
      await this.read(response.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch {
      // Whatever it was, the next attempt shows whether it is over.
    } finally {
      clearInterval(watch);
    }
    if (this.attempt !== attempt) return;
    this.isConnected = false;
    this.failures += 1;
    const pause = Math.min(LONGEST_PAUSE, 1000 * 2 ** (this.failures - 1)) * (0.75 + Math.random() / 2);
    this.timer = setTimeout(() => this.start(), pause);
  }

  /** @param {ReadableStreamDefaultReader<string>} reader */
  async read(reader) {
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (text + value).split("\n\n");
      text = parts.pop() ?? "";
      for (const part of parts) this.take(part);
    }
  }

  /** @param {string} text */
  take(text) {
    const fields = new Map(text.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
    this.heardAt = performance.now();
    this.isConnected = true;
    this.failures = 0;
    if (fields.has("id")) this.cursor = fields.get("id") ?? null;
    const event = /** @type {"changed"} */ (fields.get("event") ?? "pulse");
    this.report({ event, data: JSON.parse(fields.get("data") ?? "{}") });
  }
}
