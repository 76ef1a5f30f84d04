// The operations page: finds out who we are, then shows the page that the address names and keeps it up to date.

import * as clock from "./clock.js";
import { h } from "./dom.js";
import { Frame, restoreTheme } from "./frame.js";
import * as keys from "./keys.js";
import { Live } from "./live.js";
import { Asking } from "./page.js";
import { documentPage, documents } from "./pages/documents.js";
import { events } from "./pages/events.js";
import { fleet } from "./pages/fleet.js";
import { plots } from "./pages/plots.js";
import { service } from "./pages/service.js";
import { spacecraft } from "./pages/spacecraft.js";
import { current, link } from "./route.js";
import { access, get, RequestError, setAccess, setToken } from "./session.js";

/** Milliseconds after which everything is asked for again: states change with time, too. */
const REFRESH = 20_000;
/** Between two attempts to reach a service that does not answer when the page is opened. */
const RETRY = 2_000;

const main = /** @type {HTMLElement} */ (document.getElementById("main"));

/** @param {import("./route.js").Route} route */
function pageOf(route) {
  const [first = "", second] = route.path;
  if (first === "") return fleet(route);
  if (first === "events") return events(route);
  if (first === "sc" && second) {
    if (route.path.length === 2) return spacecraft(route);
    if (route.path[2] === "plot") return plots(route);
  }
  if (first === "docs") return second ? documentPage(route) : documents(route);
  if (first === "service") return service();
  return { title: "Not found", view: h("p", { class: "empty" }, "There is no such page. ", h("a", { href: link([]) }, "Fleet")), ask: async () => {} };
}

/** @param {string} message */
function askForToken(message) {
  const input = h("input", { type: "password", required: true, autocomplete: "off", class: "long", id: "token" });
  const form = h("form", { class: "token", submit: (/** @type {Event} */ event) => {
    event.preventDefault();
    setToken(input.value.trim());
    void begin();
  } }, h("h1", {}, "missionops"), h("p", { role: "alert" }, message), h("label", { for: "token" }, "Token"), input, h("button", {}, "Open"),
    h("p", { class: "note" }, "It stays in this tab until you close it. ", h("code", {}, "missionops tokens create NAME --role reader"), " makes one."));
  main.replaceChildren(form);
  document.title = "missionops";
  input.focus();
}

async function begin() {
  try {
    const { data } = await get("/access");
    setAccess(data);
    clock.sync(data.at);
  } catch (error) {
    const failure = /** @type {RequestError} */ (error);
    if (failure.status === 401) {
      const had = sessionStorage.length > 0;
      setToken(null);
      askForToken(had ? failure.message : "This service asks for a token.");
    } else {
      main.replaceChildren(h("p", { class: "empty" }, `${failure.message} The page tries again by itself.`));
      setTimeout(begin, RETRY);
    }
    return;
  }
  run();
}

function run() {
  /** @type {any} */
  let page = null;
  let key = "";
  const failed = h("p", { class: "trouble", hidden: true });
  const asking = new Asking((signal) => page.ask(signal), (error) => {
    if (error?.status === 401) return expired();
    failed.hidden = error === null;
    failed.textContent = error ? `${error.message} ${page.isLoaded ? "What is shown is old." : ""}` : "";
    page.isLoaded ||= error === null;
    main.setAttribute("aria-busy", "false");
  });
  const live = new Live((hint) => {
    if (!page.concerns || page.concerns(hint) || hint.spacecraft === null) asking.again();
    counting.again();
  }, expired, () => frame.tick());
  const frame = new Frame(/** @type {any} */ (access()), live, keys.listen());
  const counting = new Asking((signal) => frame.ask(signal), () => name());

  function name() {
    document.title = `${frame.prefix ?? ""}${page.title} · missionops`;
  }

  function expired() {
    live.stop();
    clearInterval(ticking);
    clearInterval(refreshing);
    asking.stop();
    counting.stop();
    removeEventListener("hashchange", show);
    document.getElementById("frame")?.replaceChildren();
    setToken(null);
    askForToken("Your token is not valid any more: it has expired or was revoked.");
  }

  function show() {
    const route = current();
    document.documentElement.toggleAttribute("data-kiosk", route.query.has("kiosk"));
    const next = route.path.join("/");
    if (page && next === key && page.show) {
      page.show(route);
    } else {
      page = pageOf(route);
      key = next;
      main.setAttribute("aria-busy", "true");
      failed.hidden = true;
      main.replaceChildren(failed, page.view);
      scrollTo(0, 0);
    }
    frame.show(route.path[0] ?? "");
    name();
    asking.anew();
  }

  addEventListener("hashchange", show);
  const ticking = setInterval(() => frame.tick(), 1000);
  const refreshing = setInterval(() => {
    if (document.hidden) return;
    asking.again();
    counting.again();
  }, REFRESH);
  show();
  frame.tick();
  counting.again();
  live.start();
}

restoreTheme();
document.getElementById("skip")?.addEventListener("click", (event) => {
  event.preventDefault(); // the fragment is where we are
  main.focus();
});
void begin();
