// Versions of limits: what differs between two, who put them in force and why, and putting the draft in force.

import { utc } from "../clock.js";
import { h, keyed } from "../dom.js";
import { field } from "../page.js";
import { assertLinked, get, may, RequestError, send } from "../session.js";
import { differences } from "./document.js";

/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {import("./draft.js").InForce} InForce */
/** @typedef {{version: number, source: string, by: string, reason: string | null, updatedAt: string}} Version */

const MOST = 500;

/** @param {string} spacecraft */
const path = (spacecraft) => `/spacecraft/${encodeURIComponent(spacecraft)}/config`;

/** @param {any} value */
const text = (value) => (value === undefined ? "" : JSON.stringify(value, (_, each) => (typeof each === "bigint" ? String(each) : each)));

/**
 * What differs, as a table: where, what was, what will be.
 * @param {any} before
 * @param {any} after
 * @param {string} caption
 * @param {[string, string]} names of the two
 */
export function diff(before, after, caption, [was, is]) {
  const found = differences(before, after);
  if (found.length === 0) return h("p", { class: "note" }, `${caption}: nothing.`);
  const rows = found
    .slice(0, MOST)
    .map((each) =>
      h(
        "tr",
        { class: each.before === undefined ? "added" : each.after === undefined ? "removed" : null },
        h("th", { scope: "row" }, each.keys.join(".")),
        h("td", {}, h("del", {}, text(each.before))),
        h("td", {}, h("ins", {}, text(each.after))),
      ),
    );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    h(
      "table",
      { class: "wide diff" },
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, ...["Where", was, is].map((each) => h("th", { scope: "col" }, each)))),
      h("tbody", {}, ...rows),
    ),
    found.length > MOST && h("p", { class: "note" }, `The first ${MOST} of ${found.length.toLocaleString("en")} differences are shown.`),
  );
}

/** @param {number} version */
const named = (version) => (version === 0 ? "No config" : `Version ${version}`);

/**
 * Asks for a reason and puts the draft in force.
 * @param {Draft} draft
 * @param {string} reason what is proposed
 * @param {{done: (response: any) => void, overtaken: () => void}} then overtaken: another version is in force
 */
export function putDialog(draft, reason, { done, overtaken }) {
  const version = draft.base?.version ?? 0;
  const input = h("input", { required: true, maxlength: 1024, class: "long", autocomplete: "off", "data-first": true });
  input.value = reason;
  const answer = h("p", { class: "trouble", role: "alert", hidden: true });
  const button = h("button", {}, `Put version ${version + 1} in force`);
  const warnings = draft.warnings.map((each) => h("li", {}, `${each.path} ${each.message}`));
  const dialog = h(
    "dialog",
    { class: "put", "aria-labelledby": "put", close: () => dialog.remove() },
    h("h2", { id: "put" }, `Put version ${version + 1} of ${draft.spacecraft} in force`),
    diff(draft.base?.document ?? {}, draft.document, "What changes", [named(version), `Version ${version + 1}`]),
    warnings.length > 0 && h("div", {}, h("p", {}, "What of it checks nothing so far:"), h("ul", {}, ...warnings)),
    h(
      "form",
      {
        submit: async (/** @type {Event} */ event) => {
          event.preventDefault();
          button.disabled = true;
          try {
            assertLinked();
            const headers = { "If-Match": `"${version}"`, "Missionops-Reason": input.value.trim() };
            const { data } = await send("PUT", path(draft.spacecraft), draft.text, { headers });
            dialog.close();
            done(data);
          } catch (error) {
            if (!(error instanceof RequestError)) throw error;
            if (error.status === 409) {
              dialog.close();
              overtaken();
              return;
            }
            if (error.status === 400) draft.refuse(error);
            draft.tell();
            answer.textContent = error.message;
            answer.hidden = false;
          } finally {
            button.disabled = false;
          }
        },
      },
      field("Why", input),
      answer,
      h("div", { class: "bar" }, button, h("button", { type: "button", click: () => dialog.close() }, "Cancel")),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  input.focus();
}

/**
 * Another version came into force while somebody writes a draft: both diffs, and what can be done.
 * @param {Draft} draft
 * @param {InForce} inForce
 * @param {Version | undefined} version
 * @param {(both: import("./document.js").Keys[]) => void} rebased
 */
export function overtaken(draft, inForce, version, rebased) {
  const base = draft.base?.version ?? 0;
  const why = version?.reason ? `: “${version.reason}”` : "";
  return h(
    "section",
    { class: "trouble", role: "alert", "aria-label": "Another version is in force" },
    h("h2", {}, `Version ${inForce.version} came into force${version ? ` by ${version.by}${why}` : ""}`),
    h(
      "p",
      {},
      `Your draft was begun from ${base === 0 ? "no config" : `version ${base}`}, and cannot be put in force over it. Nothing of it is lost.`,
    ),
    diff(draft.base?.document ?? {}, inForce.document, "What they changed", [named(base), named(inForce.version)]),
    diff(draft.base?.document ?? {}, draft.document, "What you change", [named(base), "Your draft"]),
    h(
      "div",
      { class: "bar" },
      h("button", { type: "button", click: () => rebased(draft.rebase(inForce)) }, `Put my changes on version ${inForce.version}`),
      h(
        "button",
        {
          type: "button",
          click: () => {
            draft.begin(inForce);
            rebased([]);
          },
        },
        `Discard my draft, take version ${inForce.version}`,
      ),
    ),
  );
}

export class History {
  /**
   * @param {Draft} draft
   * @param {() => InForce | null} inForce
   * @param {(reason: string) => void} restored an old version is the draft now
   */
  constructor(draft, inForce, restored) {
    this.draft = draft;
    this.inForce = inForce;
    this.restored = restored;
    /** @type {Map<number, any>} documents by version: they never change */
    this.documents = new Map();
    /** @type {Version[]} */
    this.versions = [];
    this.count = 20;
    this.list = h("tbody");
    this.one = h("select", { change: () => void this.compare() });
    this.other = h("select", { change: () => void this.compare() });
    this.compared = h("div");
    this.answer = h("p", { class: "trouble", role: "alert", hidden: true });
    this.more = h(
      "button",
      {
        type: "button",
        hidden: true,
        click: () => {
          this.count = Math.min(1000, this.count + 100);
          void this.ask();
        },
      },
      "Show older",
    );
    this.empty = h("p", { class: "empty", hidden: true }, "No limits were in force yet.");
    this.table = h(
      "table",
      { class: "wide" },
      h("caption", { class: "unseen" }, "Versions, newest first"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ...["Version", "In force since (UTC)", "By", "Source", "Why", ""].map((each) =>
            each ? h("th", { scope: "col" }, each) : h("td"),
          ),
        ),
      ),
      this.list,
    );
    this.choice = h("div", { class: "bar" }, field("Compare", this.one), field("with", this.other));
    this.view = h("div", {}, this.answer, this.empty, this.table, this.more, this.choice, this.compared);
  }

  /** @param {AbortSignal} [signal] */
  async ask(signal) {
    const version = this.inForce()?.version;
    this.empty.hidden = Boolean(version);
    this.table.hidden = this.choice.hidden = !version;
    if (!version) return;
    const { data, cursor } = await get(`${path(this.draft.spacecraft)}/versions`, { limit: this.count }, signal);
    const isNew = this.versions[0]?.version !== data[0]?.version || this.versions.length !== data.length;
    this.versions = data;
    this.more.hidden = cursor === null || this.count >= 1000;
    keyed(
      this.list,
      data,
      (/** @type {Version} */ each) => String(each.version),
      (each) => this.row(each),
    );
    if (isNew) {
      this.choose(this.other, data[0].version);
      this.choose(this.one, (data[1] ?? data[0]).version);
      await this.compare();
    }
  }

  /**
   * @param {HTMLSelectElement} input
   * @param {number} chosen
   */
  choose(input, chosen) {
    const words = this.versions.map(({ version }) => h("option", { value: version }, `version ${version}`));
    input.replaceChildren(...words, h("option", { value: "draft" }, "the draft"));
    input.value = String(chosen);
  }

  /** @param {string | number} name */
  async document(name) {
    if (name === "draft") return this.draft.document;
    const version = Number(name);
    if (!this.documents.has(version)) this.documents.set(version, (await get(path(this.draft.spacecraft), { version })).data.config);
    return this.documents.get(version);
  }

  async compare() {
    const [one, other] = [this.one.value, this.other.value];
    await this.trying(async () => {
      const [before, after] = [await this.document(one), await this.document(other)];
      if (one !== this.one.value || other !== this.other.value) return; // others were chosen meanwhile
      const names = [one, other].map((each) => (each === "draft" ? "Draft" : `Version ${each}`));
      this.compared.replaceChildren(diff(before, after, "What differs", [names[0], names[1]]));
    });
  }

  /** @param {() => Promise<void>} action */
  async trying(action) {
    this.answer.hidden = true;
    try {
      await action();
    } catch (error) {
      this.answer.textContent = /** @type {Error} */ (error).message;
      this.answer.hidden = false;
    }
  }

  /** @param {Version} each */
  row(each) {
    const isInForce = each.version === this.versions[0].version;
    const restore = () =>
      this.trying(async () => {
        const inForce = this.inForce();
        if (this.draft.isChanged && !confirm("Your draft is replaced by this version.")) return;
        if (inForce) this.draft.begin(inForce, await this.document(each.version));
        this.restored(`Back to version ${each.version}`);
      });
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, String(each.version)),
      h("td", { class: "time" }, utc(each.updatedAt)),
      h("td", { class: "clip" }, each.by),
      h("td", { class: "clip" }, each.source),
      h("td", { class: "message" }, each.reason ?? ""),
      h(
        "td",
        {},
        isInForce ? "in force" : may("admin") && h("button", { type: "button", click: restore }, `Put version ${each.version} back`),
      ),
    );
  }
}
