// The stream of hints: what was changed. It carries no telemetry; pages ask for that as always.

import * as clock from "./clock.js";
import { authorization } from "./session.js";

/** Milliseconds without a sign of life after which the link is lost: two pulses. */
const LOST = 10_000;
const HIDDEN = 5_000;
const LONGEST_PAUSE = 10_000;

/** @typedef {{spacecraft: string[] | null, alarms: boolean, events: boolean, configs: boolean}} Hint */

export class Live {
  /**
   * @param {(hint: Hint) => void} changed
   * @param {() => void} refused the token counts no more
   * @param {() => void} heard the service has given a sign of life
   */
  constructor(changed, refused, heard) {
    this.changed = changed;
    this.refused = refused;
    this.heard = heard;
    this.heardAt = performance.now();
    /** @type {string | null} */
    this.cursor = null;
    this.isConnected = false;
    this.failures = 0;
    /** @type {AbortController | null} */
    this.connection = null;
    this.timer = 0;
    document.addEventListener("visibilitychange", () => this.seen());
  }

  /** Follow the changes, from now on and for as long as the page is open. */
  start() {
    clearTimeout(this.timer);
    this.connection?.abort();
    this.connection = new AbortController();
    void this.follow(this.connection.signal);
  }

  stop() {
    clearTimeout(this.timer);
    this.connection?.abort();
    this.connection = null;
    this.isConnected = false;
  }

  /** @returns {"live" | "connecting" | "lost"} */
  get state() {
    if (performance.now() - this.heardAt > LOST) return "lost";
    return this.isConnected ? "live" : "connecting";
  }

  /** Seconds since the last sign of life. */
  get silence() {
    return (performance.now() - this.heardAt) / 1000;
  }

  /** A browser has six connections for all tabs: one that nobody looks at gives its own back. */
  seen() {
    clearTimeout(this.timer);
    if (document.hidden) {
      this.timer = setTimeout(() => this.stop(), HIDDEN);
    } else if (!this.isConnected) {
      this.heardAt = performance.now();
      this.start();
    }
  }

  /** @param {AbortSignal} signal */
  async follow(signal) {
    try {
      const query = this.cursor ? `?after=${encodeURIComponent(this.cursor)}` : "";
      const headers = { ...authorization(), Accept: "text/event-stream" };
      const response = await fetch(`/changes${query}`, { headers, signal, cache: "no-store" });
      if (response.status === 401 || response.status === 403) {
        this.refused();
        return;
      }
      if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
      await this.read(response.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch {
      // Whatever it was, the next attempt shows whether it is over.
    }
    if (signal.aborted) return;
    this.isConnected = false;
    this.failures += 1;
    const pause = Math.min(LONGEST_PAUSE, 1000 * 2 ** (this.failures - 1)) * (0.75 + Math.random() / 2);
    this.timer = setTimeout(() => this.start(), pause);
  }

  /** @param {ReadableStreamDefaultReader<string>} reader */
  async read(reader) {
    let text = "";
    const watch = setInterval(() => {
      if (performance.now() - this.heardAt > LOST) void reader.cancel();
    }, 1000);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const parts = (text + value).split("\n\n");
        text = parts.pop() ?? "";
        for (const part of parts) this.take(part);
      }
    } finally {
      clearInterval(watch);
    }
  }

  /** @param {string} text */
  take(text) {
    const fields = new Map(text.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
    const data = JSON.parse(fields.get("data") ?? "{}");
    this.heardAt = performance.now();
    this.isConnected = true;
    this.failures = 0;
    if (data.at) clock.sync(data.at);
    if (fields.has("id")) this.cursor = fields.get("id") ?? null;
    this.heard();
    if (fields.get("event") !== "pulse") this.changed(data);
  }
}
