// What surrounds every page: the worst state, the link to the service, the time, and who we are.

import * as clock from "./clock.js";
import { h } from "./dom.js";
import { link } from "./route.js";
import { get, setToken } from "./session.js";
import { STATES, stateMark } from "./state.js";

/** @type {[string[], string, string][]} path, name, and first part of the path */
const PAGES = [[[], "Fleet", ""], [["events"], "Events", "events"], [["docs"], "Documents", "docs"], [["service"], "Service", "service"]];
const THEMES = ["system", "light", "dark"];
const THEME = "missionops.theme";
const ATTENTION = Object.keys(STATES).filter((state) => state !== "NOMINAL" && state !== "UNKNOWN");

/** @param {string} theme */
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(THEME, theme);
}

export class Frame {
  /**
   * @param {import("./session.js").Access} access
   * @param {import("./live.js").Live} live
   * @param {() => void} help
   */
  constructor(access, live, help) {
    this.live = live;
    this.said = "";
    this.counts = h("div", { class: "counts", role: "group", "aria-label": "Spacecraft by state" });
    this.link = h("span", { class: "link" });
    this.time = h("span", { class: "clock" });
    this.nav = h("nav", { "aria-label": "Pages" });
    const theme = h("select", { "aria-label": "Theme", change: () => setTheme(theme.value) }, ...THEMES.map((each) => h("option", { value: each }, each)));
    theme.value = document.documentElement.dataset.theme ?? "system";
    const limited = access.spacecraft ? `, ${access.spacecraft.length} spacecraft` : "";
    const who = access.name === null ? "no token needed" : `${access.name} (${access.role}${limited})`;
    const leave = access.auth === "tokens" && h("button", { type: "button", click: () => {
      setToken(null);
      location.reload();
    } }, "Sign out");
    document.getElementById("frame")?.replaceChildren(
      h("a", { class: "name", href: link([]) }, "missionops"), this.nav, this.counts,
      h("div", { class: "right" }, this.link, this.time, h("span", { class: "who" }, who), leave, theme, h("button", { type: "button", "aria-label": "Keys", title: "Keys (?)", click: help }, "?")));
  }

  /** @param {string} page the first part of its path */
  show(page) {
    this.nav.replaceChildren(...PAGES.map(([path, name, key]) =>
      h("a", { href: link(path), "aria-current": key === page ? "page" : null }, name)));
  }

  /** @param {AbortSignal} signal */
  async ask(signal) {
    const { data } = await get("/fleet", { limit: 1 }, signal);
    const found = ATTENTION.filter((state) => data.counts[state]);
    const total = Object.values(data.counts).reduce((sum, count) => sum + count, 0);
    const shown = found.map((state) => h("a", { href: link([], { state }), "aria-label": `${data.counts[state]} ${STATES[state].word}` }, stateMark(state), h("b", {}, data.counts[state].toLocaleString("en"))));
    this.counts.replaceChildren(...(shown.length || !total ? shown : [stateMark("NOMINAL")]));
    const worst = data.counts.CRITICAL ?? 0;
    this.prefix = worst ? `(${worst}▼) ` : "";
  }

  /** Once a second: the time, the link, and the age of everything. */
  tick() {
    this.time.textContent = `${clock.utc(clock.now())} UTC`;
    clock.tick();
    const { state } = this.live;
    const lost = state === "lost" ? `LINK LOST ${clock.duration(this.live.silence)}` : "";
    this.link.textContent = lost || (state === "live" ? "live" : "connecting …");
    this.link.className = `link ${state}`;
    document.body.classList.toggle("lost", state === "lost");
    const banner = /** @type {HTMLElement} */ (document.getElementById("banner"));
    banner.hidden = !lost;
    const text = lost && "LINK LOST: the service does not answer. What is shown is old. The page goes on by itself when the service is back.";
    if (banner.textContent !== text) banner.textContent = text;
  }
}

export function restoreTheme() {
  const theme = localStorage.getItem(THEME) ?? "system";
  document.documentElement.dataset.theme = THEMES.includes(theme) ? theme : "system";
}
