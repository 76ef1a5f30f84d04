// The hints of what was changed, as one tab has them: from the worker that all tabs share, else from a stream of its own.

import { ChangesConnection, LOST } from "./changes.js";
import * as clock from "./clock.js";
import { token } from "./session.js";
import { scriptUrl } from "./trusted.js";

/** Milliseconds for which a hidden tab keeps a stream of its own: a browser has six connections for all tabs. */
const HIDDEN = 60_000;

/** @typedef {import("./changes.js").Hint} Hint */

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
    this.isConnected = false;
    this.isFollowing = false;
    /** @type {any} */
    this.timer = 0;
    /** @type {MessagePort | null} */
    this.port = null;
    /** @type {ChangesConnection | null} */
    this.own = null;
    if (typeof SharedWorker === "function") this.share();
    document.addEventListener("visibilitychange", () => this.seen());
    addEventListener("pagehide", () => this.port?.postMessage({ action: "leave" }));
    addEventListener("pageshow", (event) => event.persisted && this.isFollowing && this.start());
  }

  share() {
    const worker = new SharedWorker(scriptUrl("stream_worker.js"), { type: "module", name: "missionops changes" });
    const port = worker.port;
    this.port = port;
    port.onmessage = ({ data }) => {
      port.postMessage({ action: "taken" });
      if (this.isFollowing && this.port) this.take(data);
    };
    worker.onerror = () => {
      this.port = null; // it cannot be loaded: each tab by itself, then
      if (this.isFollowing) this.start();
    };
  }

  /** Follow the changes, from now on and for as long as the page is open. */
  start() {
    clearTimeout(this.timer);
    this.isFollowing = true;
    if (this.port) {
      this.port.postMessage({ action: "follow", token: token() });
      return;
    }
    this.own?.stop();
    this.own = new ChangesConnection(token(), (message) => this.take(message));
    this.own.start();
  }

  stop() {
    clearTimeout(this.timer);
    this.isFollowing = false;
    this.isConnected = false;
    this.port?.postMessage({ action: "leave" });
    this.own?.stop();
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

  /** A stream of its own is given back while nobody looks. */
  seen() {
    clearTimeout(this.timer);
    if (this.port || !this.own) return;
    if (document.hidden) {
      this.timer = setTimeout(() => {
        this.own?.stop();
        this.isConnected = false;
      }, HIDDEN);
    } else if (this.isFollowing && !this.isConnected) {
      this.heardAt = performance.now();
      this.own.start();
    }
  }

  /** @param {import("./changes.js").Message} message */
  take(message) {
    if (message.event === "refused") {
      this.refused();
      return;
    }
    this.heardAt = performance.now();
    this.isConnected = true;
    if (message.data.at) clock.sync(message.data.at);
    this.heard();
    if (message.event !== "pulse") this.changed(message.data);
  }
}
