// The operations page: finds out who we are, then shows the page that the address names and keeps it up to date.

import * as clock from "./clock.js";
import { h } from "./dom.js";
import { Frame } from "./frame.js";
import { goTo } from "./goto.js";
import * as keys from "./keys.js";
import { Live } from "./live.js";
import { Asking } from "./page.js";
import { alarm } from "./pages/alarm.js";
import { alarms } from "./pages/alarms.js";
import { documentPage, documents } from "./pages/documents.js";
import { events } from "./pages/events.js";
import { fleet } from "./pages/fleet.js";
import { limits } from "./pages/limits.js";
import { plots } from "./pages/plots.js";
import { service } from "./pages/service.js";
import { spacecraft } from "./pages/spacecraft.js";
import { current, isKiosk, link } from "./route.js";
import { access, get, setAccess, setToken } from "./session.js";
import { restoreTheme } from "./theme.js";

/** Milliseconds after which everything is asked for again: states change with time, too. */
const REFRESH = 20_000;
/** Between two attempts to reach a service that does not answer when the page is opened. */
const RETRY = 2_000;

const main = /** @type {HTMLElement} */ (document.getElementById("main"));

/** @param {import("./route.js").Route} route */
function pageOf(route) {
  const [first = "", second] = route.path;
  if (first === "") return fleet(route);
  if (first === "alarms") return second ? alarm(route) : alarms(route);
  if (first === "events") return events(route);
  if (first === "sc" && second) {
    if (route.path.length === 2) return spacecraft(route);
    if (route.path[2] === "plot") return plots(route);
    if (route.path[2] === "limits") return limits(route);
  }
  if (first === "docs") return second ? documentPage(route) : documents(route);
  if (first === "service") return service();
  return {
    title: "Not found",
    view: h("p", { class: "empty" }, "There is no such page. ", h("a", { href: link([]) }, "Fleet")),
    ask: async () => {},
  };
}

/** @param {string} message */
function askForToken(message) {
  const input = h("input", { type: "password", required: true, autocomplete: "off", class: "long", id: "token" });
  const form = h(
    "form",
    {
      class: "token",
      submit: (/** @type {Event} */ event) => {
        event.preventDefault();
        setToken(input.value.trim());
        if (hasRun)
          location.reload(); // nothing of the other one stays behind
        else void begin();
      },
    },
    h("h1", {}, "missionops"),
    h("p", { role: "alert" }, message),
    h("label", { for: "token" }, "Token"),
    input,
    h("button", {}, "Open"),
    h(
      "p",
      { class: "note" },
      "It stays in this tab until you close it. ",
      h("code", {}, "missionops tokens create NAME --role reader"),
      " makes one.",
    ),
  );
  main.replaceChildren(form);
  document.title = "missionops";
  input.focus();
}

let hasRun = false;

async function begin() {
  try {
    const { data } = await get("/access");
    setAccess(data);
    clock.sync(data.at);
  } catch (error) {
    const failure = /** @type {import("./session.js").RequestError} */ (error);
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
  hasRun = true;
  /** @type {any} */
  let page = null;
  let key = "";
  const failed = h("p", { class: "trouble", hidden: true });
  const asking = new Asking(
    (signal) => page.ask(signal),
    (error) => {
      if (error?.status === 401) return expired();
      failed.hidden = error === null;
      failed.textContent = error ? `${error.message} ${page.isLoaded ? "What is shown is old." : ""}` : "";
      page.isLoaded ||= error === null;
      main.setAttribute("aria-busy", "false");
    },
  );
  let isOld = false;
  const live = new Live(
    (hint) => {
      const isConcerned = !page.concerns || page.concerns(hint) || hint.spacecraft === null;
      if (isConcerned && document.hidden)
        isOld = true; // nobody looks: once is enough, when somebody does
      else if (isConcerned) asking.again();
      counting.again();
    },
    expired,
    () => frame.tick(),
  );
  const search = goTo();
  const frame = new Frame(/** @type {any} */ (access()), live, keys.listen(search), search);
  const counting = new Asking(
    (signal) => frame.ask(signal),
    (error) => {
      if (error?.status === 503) void frame.askHealth();
      name();
    },
  );

  function name() {
    document.title = `${frame.prefix}${page.title} · missionops`;
  }

  function expired() {
    live.stop();
    clearInterval(ticking);
    clearInterval(refreshing);
    asking.stop();
    counting.stop();
    removeEventListener("hashchange", show);
    removeEventListener("visibilitychange", seen);
    page.leave?.();
    frame.stop();
    setToken(null);
    askForToken("Your token is not valid any more: it has expired or was revoked.");
  }

  function show() {
    const route = current();
    document.documentElement.toggleAttribute("data-kiosk", isKiosk());
    const next = route.path.join("/");
    if (page && next === key && page.show) {
      page.show(route);
    } else {
      page?.leave?.();
      page = pageOf(route);
      key = next;
      main.setAttribute("aria-busy", "true");
      failed.hidden = true;
      main.replaceChildren(failed, page.view);
      scrollTo(0, 0);
    }
    keys.setPageKeys(page.keys ?? []);
    frame.show(route.path[0] ?? "");
    name();
    asking.anew();
  }

  function seen() {
    if (document.hidden || !isOld) return;
    isOld = false;
    asking.again();
  }

  addEventListener("hashchange", show);
  addEventListener("visibilitychange", seen);
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
