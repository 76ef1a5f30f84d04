// Documents: search as you type, and read.

import { utc } from "../clock.js";
import { h, keyed } from "../dom.js";
import { field, rowKeys, search } from "../page.js";
import { change, link } from "../route.js";
import { access, get, may, post } from "../session.js";

const MOST = 50;
/** What the list is of, beside the words: each is a setting of the link. @type {[string, string, string][]} */
const FILTERS = [
  ["sc", "Spacecraft", "all"],
  ["category", "Category", "any"],
  ["tag", "Tag", "any"],
];
const BEGINNING = 280;

/** @param {import("../route.js").Route} route */
export function documents(route) {
  let query = route.query;
  const list = h("ol", { class: "documents" });
  const note = h("p", { class: "note" });
  const input = search(query.get("q") ?? "", "words, or any part of a text", (q) => change({ q }));
  const filters = FILTERS.map(([name, label, hint]) => ({
    name,
    label,
    input: search(query.get(name) ?? "", hint, (text) => change({ [name]: text })),
  }));
  for (const { input } of filters) input.classList.add("short");
  const view = h(
    "div",
    {},
    h("div", { class: "bar" }, h("h1", {}, "Documents"), field("Search", input), ...filters.map((each) => field(each.label, each.input))),
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
      const { sc: spacecraftId, category, tag } = Object.fromEntries(query);
      const { data } = await get("/docs/search", { q, limit: MOST, spacecraftId, category, tag }, signal);
      keyed(
        list,
        data.map((/** @type {any} */ each) => ({ ...each, q })),
        (each) => each.id,
        item,
      );
      if (data.length === 0)
        note.textContent = q || spacecraftId || category || tag ? "No document fits what is asked for." : "No document yet.";
      else note.textContent = data.length < MOST ? "" : `The first ${MOST} are shown: search for more words to find others.`;
    },
    /** @param {import("../route.js").Route} next */
    show(next) {
      query = next.query;
      if (document.activeElement !== input) input.value = query.get("q") ?? "";
      for (const { name, input } of filters) if (document.activeElement !== input) input.value = query.get(name) ?? "";
    },
    concerns: (/** @type {any} */ hint) => hint.events,
    keys: rowKeys("document", () => list.querySelectorAll("a.title")),
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
 * Of what it is; its category and each tag lead to the others that have it.
 * @param {any} found
 */
const about = (found) => [
  `${found.spacecraftId ?? "all spacecraft"} · `,
  h("a", { href: link(["docs"], { category: found.category }) }, found.category),
  " · ",
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
  const read = h("div");
  const view = h("article", { class: "document" }, read);
  const id = route.path[1];
  let isEditable = false;
  return {
    title: "Document",
    view,
    /** @param {AbortSignal} signal */
    async ask(signal) {
      const { data } = await get(`/docs/${encodeURIComponent(id)}`, {}, signal);
      read.replaceChildren(
        h("p", {}, h("a", { href: link(["docs"]) }, "← Documents")),
        h("h1", {}, data.title),
        h("p", { class: "about" }, ...about(data)),
        h("div", { class: "text" }, data.body),
      );
      const own = access()?.spacecraft;
      if (isEditable || !may("operator") || (own && !own.includes(data.spacecraftId))) return;
      isEditable = true; // a form in use is never replaced
      view.append(publishing(data));
    },
    concerns: (/** @type {any} */ hint) => hint.events,
  };
}

/**
 * The form that publishes a document.
 * @param {any} [known] the one that it takes the place of
 */
function publishing(known) {
  const line = (/** @type {string} */ value, /** @type {Record<string, any>} */ more) =>
    h("input", { value, autocomplete: "off", ...more });
  const title = line(known?.title ?? "", { required: true, maxlength: 512, class: "long" });
  const craft = line(known?.spacecraftId ?? "", access()?.spacecraft ? { required: true } : { placeholder: "all spacecraft" });
  const category = line(known?.category ?? "", { maxlength: 128, placeholder: "general" });
  const before = known?.tags.join(", ") ?? "";
  const tags = line(before, { placeholder: "between commas" });
  const given = () => tags.value.split(",").map((/** @type {string} */ each) => each.trim());
  const body = h("textarea", { required: true, rows: 12 });
  body.value = known?.body ?? "";
  const answer = h("output", {});
  let replaced = known?.publishedAt;

  /** Whether somebody else has published it since it was read: that is said once, and then replaced. */
  async function isOvertaken() {
    if (!known) return false;
    const { publishedAt } = (await get(`/docs/${encodeURIComponent(known.id)}`)).data;
    if (publishedAt === replaced) return false;
    replaced = publishedAt;
    answer.textContent = `It was published anew at ${utc(publishedAt)} UTC, and stands so above. Publish again to replace that.`;
    return true;
  }

  const form = h(
    "form",
    {
      submit: async (/** @type {Event} */ event) => {
        event.preventDefault();
        try {
          if (await isOvertaken()) return;
          const { data } = await post("/docs", {
            title: title.value,
            body: body.value,
            spacecraftId: craft.value.trim() || null,
            category: category.value.trim() || "general",
            tags: known && tags.value === before ? known.tags : given().filter(Boolean), // one of them may hold a comma
            ...(known ? { id: known.id, overwrite: true } : {}),
          });
          location.hash = link(["docs", data.documentId]);
          if (known) dispatchEvent(new HashChangeEvent("hashchange")); // the address stays, and the document is another
        } catch (error) {
          answer.textContent = /** @type {Error} */ (error).message;
        }
      },
    },
    h("div", { class: "bar" }, field("Title", title), field("Spacecraft", craft), field("Category", category), field("Tags", tags)),
    field("Text", body),
    h("div", { class: "bar" }, h("button", {}, "Publish"), answer),
  );
  return h("details", { class: "panel" }, h("summary", {}, known ? "Write it anew" : "Publish a document"), form);
}
