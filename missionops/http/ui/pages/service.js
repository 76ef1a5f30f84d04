// Service: whether it works, and if not, why.

import { DeadLetters } from "../dead_letters.js";
import { h } from "../dom.js";
import { access, get } from "../session.js";

const LINKS = [
  ["/docs", "Operations", "what can be requested, over HTTP, over NATS and by command"],
  ["/asyncapi", "AsyncAPI", "the NATS subjects"],
  ["/openapi.json", "OpenAPI", "the HTTP interface, for programs"],
  ["/metrics", "Metrics", "for Prometheus"],
];

export function service() {
  const facts = h("dl", { class: "facts" });
  const trouble = h("p", { class: "trouble", hidden: true });
  const isOpen = access()?.auth !== "tokens";
  const links = LINKS.filter(([address]) => isOpen || address !== "/metrics"); // a link sends no token
  const letters = new DeadLetters();
  const view = h(
    "div",
    {},
    h("div", { class: "bar" }, h("h1", {}, "Service")),
    trouble,
    facts,
    letters.view,
    h("h2", {}, "More"),
    h("ul", {}, ...links.map(([address, name, text]) => h("li", {}, h("a", { href: address }, name), `: ${text}`))),
  );
  return {
    title: "Service",
    view,
    /** @param {AbortSignal} signal */
    async ask(signal) {
      const { data } = await get("/health/ready", {}, signal);
      const rows = data.ingest
        ? told(data)
        : [["Service", data.status === "ready" ? "works" : "does not work: someone with a token for all spacecraft can see why"]];
      facts.replaceChildren(...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
      const said = [data.ingest?.trouble, ...(data.warnings ?? [])].filter(Boolean);
      trouble.textContent = said.join(" ");
      trouble.hidden = said.length === 0;
      await letters.ask(signal);
    },
  };
}

/**
 * @param {any} health
 * @returns {[string, string][]}
 */
function told(health) {
  const { ingest } = health;
  const count = (/** @type {number} */ value) => value.toLocaleString("en");
  const counts = (/** @type {Record<string, number>} */ found) =>
    Object.entries(found)
      .map(([name, value]) => `${count(value)} ${name}`)
      .join(", ") || "none";
  const streams = Object.entries(health.streams).map(
    ([name, stream]) =>
      /** @type {[string, string]} */ ([
        `Stream ${name}`,
        `${count(stream.messages)} messages${stream.dropped ? `, ${count(stream.dropped)} dropped for size` : ""}`,
      ]),
  );
  return [
    ["Service", health.status === "ready" ? "works" : "does not work"],
    ["Version", health.version],
    ["NATS", health.nats],
    ["Database", health.database],
    ["This instance", ingest.role],
    [
      "Waits to be handled",
      ingest.lag === null
        ? "not known here: ask the owner"
        : `${count(ingest.lag)} messages${ingest.lag ? `, the oldest for ${ingest.lagSeconds} s` : ""}`,
    ],
    ["Stored since its start", `${count(ingest.stored)} snapshots, ${count(ingest.duplicates)} duplicates`],
    ["Anomalies since its start", counts(ingest.anomalies)],
    ["Dead letters since its start", counts(ingest.deadLetters)],
    ["Lost", `${count(ingest.lost)} messages`],
    ...streams,
    ...notified(health.notifications),
  ];
}

/**
 * Whether people are told.
 * @param {any} notifications
 * @returns {[string, string][]}
 */
function notified(notifications) {
  if (notifications === null) return [["Notifications", "nobody is told: MISSIONOPS_NOTIFY_FILE is not set"]];
  const count = (/** @type {number} */ value) => value.toLocaleString("en");
  const targets = Object.entries(notifications.targets).map(
    ([name, target]) =>
      /** @type {[string, string]} */ ([
        `Notifications to ${name}`,
        `${count(target.sent)} sent, ${count(target.failed)} failed${target.waiting ? `, ${count(target.waiting)} wait` : ""}`,
      ]),
  );
  return [
    ["Notifications", notifications.trouble ?? `work, ${count(notifications.behind)} changes of alarms wait to be taken in`],
    ...targets,
  ];
}
