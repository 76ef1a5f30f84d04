// Documents: search as you type, and read.

import { utc } from "../clock.js";
import { h, keyed } from "../dom.js";
import { field, search } from "../page.js";
import { change, link } from "../route.js";
import { get, may, post } from "../session.js";

const MOST = 50;
const BEGINNING = 280;

/** @param {import("../route.js").Route} route */
export function documents(route) {
  let query = route.query;
  const list = h("ol", { class: "documents" });
  const note = h("p", { class: "note" });
  const input = search(query.get("q") ?? "", "words, or any part of a text", (q) => change({ q }));
  const craft = search(query.get("sc") ?? "", "all spacecraft", (sc) => change({ sc }));
  craft.removeAttribute("data-search");
  const tag = search(query.get("tag") ?? "", "any tag", (text) => change({ tag: text }));
  tag.removeAttribute("data-search");
  const view = h(
    "div",
    {},
    h("div", { class: "bar" }, h("h1", {}, "Documents"), field("Search", input), field("Spacecraft", craft), field("Tag", tag)),
    may("operator") && publishing(),
    list,
    note,
  );

  return {
    title: "Documents",
    view,
    /** @param {AbortSignal} signal */
    async ask(signal) {
      const q = query.get("q") ?? "";
      const { data } = await get("/docs/search", { q, limit: MOST, spacecraftId: query.get("sc"), tag: query.get("tag") }, signal);
      keyed(
        list,
        data.map((/** @type {any} */ each) => ({ ...each, q })),
        (each) => each.id,
        item,
      );
      if (data.length === 0)
        note.textContent = q || query.get("sc") || query.get("tag") ? "No document fits what is asked for." : "No document yet.";
      else note.textContent = data.length < MOST ? "" : `The first ${MOST} are shown: search for more words to find others.`;
    },
    /** @param {import("../route.js").Route} next */
    show(next) {
      query = next.query;
      if (document.activeElement !== input) input.value = query.get("q") ?? "";
      if (document.activeElement !== craft) craft.value = query.get("sc") ?? "";
      if (document.activeElement !== tag) tag.value = query.get("tag") ?? "";
    },
    concerns: (/** @type {any} */ hint) => hint.events,
  };
}

/** @param {any} found */
function item(found) {
  return h(
    "li",
    {},
    h("a", { class: "title", href: link(["docs", found.id]) }, ...marked(found.title, found.q)),
    h("p", { class: "about" }, ...about(found)),
    h("p", {}, ...marked(excerpt(found.body, found.q), found.q)),
  );
}

/**
 * Of what it is; each tag leads to the others that have it.
 * @param {any} found
 */
const about = (found) => [
  `${found.spacecraftId ?? "all spacecraft"} · ${found.category} · `,
  ...found.tags.flatMap((/** @type {string} */ tag) => [h("a", { href: link(["docs"], { tag }) }, tag), " · "]),
  `${utc(found.publishedAt)} UTC`,
];

/**
 * The beginning of a text, or what stands around the first word that is looked for.
 * @param {string} body
 * @param {string} q
 */
function excerpt(body, q) {
  const text = body.replace(/\s+/g, " ");
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  const places = words.map((word) => text.toLowerCase().indexOf(word)).filter((place) => place >= 0);
  const start = Math.max(0, Math.min(...places, text.length) - 80);
  const from = places.length > 0 && start > 20 ? start : 0;
  return `${from ? "… " : ""}${text.slice(from, from + BEGINNING)}${from + BEGINNING < text.length ? " …" : ""}`;
}

/**
 * A text with the words that are looked for marked.
 * @param {string} text
 * @param {string} q
 */
function marked(text, q) {
  const words = q
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (words.length === 0) return [text];
  return text.split(new RegExp(`(${words.join("|")})`, "gi")).map((part, index) => (index % 2 ? h("mark", {}, part) : part));
}

/** @param {import("../route.js").Route} route */
export function documentPage(route) {
  const view = h("article", { class: "document" });
  const id = route.path[1];
  return {
    title: "Document",
    view,
    /** @param {AbortSignal} signal */
    async ask(signal) {
      const { data } = await get(`/docs/${encodeURIComponent(id)}`, {}, signal);
      view.replaceChildren(
        h("p", {}, h("a", { href: link(["docs"]) }, "← Documents")),
        h("h1", {}, data.title),
        h("p", { class: "about" }, ...about(data)),
        h("div", { class: "text" }, data.body),
      );
    },
    concerns: (/** @type {any} */ hint) => hint.events,
  };
}

function publishing() {
  const title = h("input", { required: true, maxlength: 512, class: "long", autocomplete: "off" });
  const craft = h("input", { maxlength: 64, placeholder: "all spacecraft", autocomplete: "off" });
  const body = h("textarea", { required: true, rows: 8 });
  const answer = h("output", {});
  const form = h(
    "form",
    {
      submit: async (/** @type {Event} */ event) => {
        event.preventDefault();
        try {
          const { data } = await post("/docs", { title: title.value, body: body.value, spacecraftId: craft.value || null });
          location.hash = link(["docs", data.documentId]);
        } catch (error) {
          answer.textContent = /** @type {Error} */ (error).message;
        }
      },
    },
    h("div", { class: "bar" }, field("Title", title), field("Spacecraft", craft)),
    field("Text", body),
    h("div", { class: "bar" }, h("button", {}, "Publish"), answer),
  );
  return h("details", { class: "panel" }, h("summary", {}, "Publish a document"), form);
}
