// A SharedWorker: holds one stream of changes for all tabs that show the same token, for a browser has six connections.

import { ANY, ChangesConnection, merged } from "./changes.js";

/**
 * @typedef {import("./changes.js").Message} Message
 * @typedef {import("./changes.js").Hint} Hint
 */

/** One tab. It says when it has taken a message; what comes meanwhile is merged, so a tab that sleeps costs nothing. */
class Tab {
  /** @param {MessagePort} port */
  constructor(port) {
    this.port = port;
    this.isBusy = false;
    /** @type {Hint | null} */
    this.waiting = null;
  }

  /** @param {Message} message */
  tell(message) {
    if (message.event === "changed" || message.event === "reset") {
      this.waiting = merged(this.waiting, message.data);
      this.send();
    } else if (message.event === "refused" || !this.isBusy) {
      this.post(message);
    }
  }

  taken() {
    this.isBusy = false;
    this.send();
  }

  send() {
    if (this.isBusy || !this.waiting) return;
    const data = this.waiting;
    this.waiting = null;
    this.post({ event: "changed", data });
  }

  /** @param {Message} message */
  post(message) {
    this.isBusy = true;
    this.port.postMessage(message);
  }
}

/** The tabs of one token, and their stream. */
class Stream {
  /** @param {string | null} token */
  constructor(token) {
    this.token = token;
    /** @type {Set<Tab>} */
    this.tabs = new Set();
    this.connection = new ChangesConnection(token, (message) => this.tell(message));
  }

  /** @param {Message} message */
  tell(message) {
    for (const tab of this.tabs) tab.tell(message);
    if (message.event === "refused") this.end();
  }

  /** @param {Tab} tab */
  join(tab) {
    this.tabs.add(tab);
    if (this.connection.isConnected) tab.tell({ event: "reset", data: ANY });
    else this.connection.start();
  }

  /** @param {Tab} tab */
  leave(tab) {
    this.tabs.delete(tab);
    if (this.tabs.size === 0) this.end();
  }

  end() {
    this.connection.stop();
    if (streams.get(this.token) === this) streams.delete(this.token);
  }
}

/** @type {Map<string | null, Stream>} */
const streams = new Map();

addEventListener("connect", (/** @type {any} */ event) => {
  /** @type {MessagePort} */
  const port = event.ports[0];
  const tab = new Tab(port);
  /** @type {Stream | null} */
  let stream = null;
  const leave = () => {
    stream?.leave(tab);
    stream = null;
  };
  port.addEventListener("close", leave); // a tab that ended without a word, where the browser says so
  port.onmessage = ({ data }) => {
    if (data.action === "taken") tab.taken();
    else leave();
    if (data.action === "follow") {
      stream = streams.get(data.token) ?? new Stream(data.token);
      streams.set(data.token, stream);
      tab.isBusy = false;
      stream.join(tab);
    }
  };
});
