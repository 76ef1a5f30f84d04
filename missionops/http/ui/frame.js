// What surrounds every page: the worst state, what waits for an operator, the link to the service, the time, and who we are.

import { Attention } from "./attention.js";
import * as clock from "./clock.js";
import { h } from "./dom.js";
import { spacecraftHere } from "./goto.js";
import { setIcon } from "./icon.js";
import { link } from "./route.js";
import { get, setToken } from "./session.js";
import { alarmMark, STATES, stateMark } from "./state.js";

/** @type {[string[], string, string][]} path, name, and first part of the path */
const PAGES = [
  [[], "Fleet", ""],
  [["alarms"], "Alarms", "alarms"],
  [["events"], "Events", "events"],
  [["docs"], "Documents", "docs"],
  [["service"], "Service", "service"],
];
const CLOCK = "missionops.clock";
const SEVERITIES = /** @type {const} */ (["CRITICAL", "HIGH", "MEDIUM", "LOW"]);
/** Alarms that are told by name when they are new. */
const NAMED = 50;
/** Milliseconds between two looks at whether the service is well. */
const HEALTH = 10_000;

export class Frame {
  /**
   * @param {import("./session.js").Access} access
   * @param {import("./live.js").Live} live
   * @param {() => void} help
   * @param {(text?: string) => void} goTo
   */
  constructor(access, live, help, goTo) {
    this.live = live;
    this.prefix = "";
    this.health = "";
    this.reason = "";
    this.healthAt = -HEALTH;
    this.attention = new Attention();
    this.counts = h("div", { class: "counts", role: "group", "aria-label": "What needs attention" });
    this.linkWord = h("span");
    this.linkAge = h("span", { class: "number" });
    this.link = h("a", { class: "link two", title: "The page of the service" }, this.linkWord, " ", this.linkAge);
    this.craft = h("button", { type: "button", class: "craft", title: "Go to a spacecraft (/)", click: () => goTo() });
    this.day = h("span");
    this.time = h("span");
    const dayForm = () => {
      localStorage.setItem(CLOCK, localStorage.getItem(CLOCK) === "day" ? "date" : "day");
      this.tick();
    };
    const time = h(
      "button",
      { type: "button", class: "clock two", title: "Date or day of the year", click: dayForm },
      this.day,
      " ",
      this.time,
    );
    this.nav = h("nav", { "aria-label": "Pages" });
    const limited = access.spacecraft ? `, ${access.spacecraft.length} spacecraft` : "";
    const signOut = () => {
      setToken(null);
      location.reload();
    };
    document
      .getElementById("frame")
      ?.replaceChildren(
        h("a", { class: "name", href: link([]), "aria-label": "missionops" }, h("span", {}, "missionops")),
        this.craft,
        this.nav,
        this.counts,
        h(
          "div",
          { class: "right" },
          this.link,
          time,
          access.name === null
            ? h("span", { class: "who two" }, h("span", {}, "no token"), " ", h("span", {}, "needed"))
            : h(
                "span",
                { class: "who two", title: `${access.name} (${access.role}${limited})` },
                h("span", {}, access.name),
                " ",
                h("span", {}, `(${access.role}${limited})`),
              ),
          access.auth === "tokens" && h("button", { type: "button", click: signOut }, "Sign out"),
          this.attention.sound.button,
          h("button", { type: "button", "aria-label": "Keys", title: "Keys (?)", click: help }, "?"),
        ),
      );
    this.resized = new ResizeObserver(() => this.measure());
    this.resized.observe(/** @type {HTMLElement} */ (document.getElementById("frame")));
  }

  /** What sticks to the top of a page stands below the frame, however many lines that has. */
  measure() {
    const height = document.getElementById("frame")?.offsetHeight ?? 0;
    document.documentElement.style.setProperty("--frame", `${height}px`);
  }

  /** @param {string} page the first part of its path */
  show(page) {
    this.nav.replaceChildren(
      ...PAGES.map(([path, name, key]) => h("a", { href: link(path), "aria-current": key === page ? "page" : null }, name)),
    );
    this.link.href = link(["service"]);
    this.craft.textContent = spacecraftHere() || "All spacecraft";
  }

  /** @param {AbortSignal} signal */
  async ask(signal) {
    const wanted = { state: "UNACKNOWLEDGED", minSeverity: "HIGH", limit: NAMED };
    const [fleet, alarms] = await Promise.all([get("/fleet", { limit: 1 }, signal), get("/alarms/active", wanted, signal)]);
    const states = fleet.data.counts;
    const worst = Object.keys(STATES).find((state) => states[state]);
    const { unacknowledged, shelved } = alarms.data.counts;
    const marks = SEVERITIES.filter((severity) => unacknowledged[severity]).map((severity) => {
      const count = unacknowledged[severity].toLocaleString("en");
      const short = unacknowledged[severity].toLocaleString("en", { notation: "compact" });
      return h(
        "a",
        {
          href: link(["alarms"], { state: "UNACKNOWLEDGED", severity }),
          "aria-label": `${count} ${severity} to acknowledge`,
          title: `${severity}: ${count} to acknowledge`,
        },
        alarmMark(severity, "", short),
      );
    });
    this.counts.replaceChildren(
      worst ? h("a", { href: link([], { state: worst }), title: `The worst state, of ${states[worst]} spacecraft` }, stateMark(worst)) : "",
      marks.length ? h("span", { class: "label" }, "To acknowledge") : "",
      ...marks,
      shelved
        ? h(
            "a",
            { class: "shelved", href: link(["alarms"], { tab: "shelved" }) },
            h("span", { class: "two" }, h("span", {}, shelved.toLocaleString("en")), " ", h("span", {}, "shelved")),
          )
        : "",
    );
    const high = unacknowledged.HIGH + unacknowledged.CRITICAL;
    this.prefix = high ? `(${high}▼) ` : unacknowledged.MEDIUM ? `(${unacknowledged.MEDIUM}◆) ` : "";
    setIcon(
      high ? "critical" : unacknowledged.MEDIUM ? "warning" : unacknowledged.LOW ? "low" : null,
      high || unacknowledged.MEDIUM || unacknowledged.LOW,
    );
    this.attention.look(alarms.data.items, high);
  }

  /** Whether the service works, as it says itself: a database that is away is not the same as no data. */
  async askHealth() {
    this.healthAt = performance.now();
    try {
      const { data } = await get("/health/ready", {}, AbortSignal.timeout(HEALTH));
      if (data.status === "ready") this.health = "";
      else if (data.database === "down") this.health = "database away";
      else this.health = data.nats === "down" ? "NATS away" : "service not ready";
      this.reason = data.ingest?.trouble ?? "the page of the service says more.";
    } catch {
      // The link says that it does not answer.
    }
    this.tick();
  }

  /** Once a second: the time, the link, and the age of everything. */
  tick() {
    const now = clock.now();
    const [day, time] = (localStorage.getItem(CLOCK) === "day" ? clock.dayOfYear(now) : clock.utc(now)).split(" ");
    if (this.day.textContent !== day) this.day.textContent = day;
    this.time.textContent = `${time} UTC`;
    clock.tick();
    if (performance.now() - this.healthAt > HEALTH && !document.hidden) void this.askHealth();
    const { state, silence } = this.live;
    const isLost = state === "lost";
    this.linkWord.textContent = isLost ? "LINK LOST" : this.health || (state === "live" ? "live" : "connecting …");
    this.linkAge.textContent = isLost ? clock.duration(silence) : state === "live" && !this.health ? `${silence.toFixed(1)} s` : "";
    this.link.className = `link two ${this.health && !isLost ? "trouble" : state}`;
    document.body.classList.toggle("lost", isLost);
    const text = isLost
      ? "LINK LOST: the service does not answer. What is shown is old. The page goes on by itself when the service is back."
      : this.health && `${this.health.charAt(0).toUpperCase()}${this.health.slice(1)}: ${this.reason}`;
    const banner = /** @type {HTMLElement} */ (document.getElementById("banner"));
    banner.hidden = !text;
    if (banner.textContent !== text) banner.textContent = text;
  }

  /** The page ends: another one may take its place. */
  stop() {
    this.resized.disconnect();
    document.getElementById("frame")?.replaceChildren();
  }
}
