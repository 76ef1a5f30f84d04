// Config documents as values: a change makes a new one, so that what is in force stays beside what is drafted.

/** @typedef {(string | number)[]} Keys where a value stands in a document */
/** @typedef {{keys: Keys, before: any, after: any}} Difference undefined where there is nothing */

const isObject = (/** @type {any} */ value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {any} value */
const text = (value) => JSON.stringify(value, (_, each) => (typeof each === "bigint" ? `${each}n` : each));

/**
 * @param {any} document
 * @param {Keys} keys
 */
export const at = (document, keys) => keys.reduce(own, document);

/**
 * What is in the document itself: a parameter may have the name of what every object of JavaScript inherits.
 * @param {any} value
 * @param {string | number} key
 */
const own = (value, key) => (typeof value === "object" && value !== null && Object.hasOwn(value, key) ? value[key] : undefined);

/**
 * A document with another value at a place; with undefined the key goes, and objects within a rule that it leaves empty.
 * @param {any} document
 * @param {Keys} keys
 * @param {any} value
 * @returns {any}
 */
export function changed(document, [key, ...rest], value) {
  const inner = rest.length > 0 ? changed(at(document, [key]) ?? {}, rest, value) : value;
  if (Array.isArray(document)) return document.map((each, index) => (index === key ? inner : each));
  const { [key]: _, ...others } = isObject(document) ? document : {};
  const isEmpty = inner === undefined || (value === undefined && isObject(inner) && Object.keys(inner).length === 0);
  if (isEmpty) return others;
  return isObject(document) && Object.hasOwn(document, key) ? { ...document, [key]: inner } : { ...others, [key]: inner };
}

/**
 * What differs, each at its own place: objects key by key, everything else as a whole.
 * @param {any} before
 * @param {any} after
 * @param {Keys} [keys]
 * @returns {Difference[]}
 */
export function differences(before, after, keys = []) {
  if (before === after) return []; // a change makes new objects only where it is
  if (!isObject(before) || !isObject(after)) return text(before) === text(after) ? [] : [{ keys, before, after }];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => differences(own(before, name), own(after, name), [...keys, name]));
}

/**
 * The draft's own changes on another document, and where that one was changed too, to something else.
 * @param {any} base what the draft was begun from
 * @param {any} draft
 * @param {any} other
 */
export function rebased(base, draft, other) {
  const theirs = differences(base, other);
  let document = other;
  const both = [];
  for (const own of differences(base, draft)) {
    const same = theirs.find((each) => each.keys.every((key, index) => index >= own.keys.length || own.keys[index] === key));
    if (same && text(same.after) !== text(own.after)) both.push(own.keys);
    document = changed(document, own.keys, own.after);
  }
  return { document, both };
}

/**
 * Where the path of a fault leads: as far as the document goes, and what is left of the path.
 * @param {any} document
 * @param {string} path names between dots, which names may hold too
 * @returns {{keys: Keys, rest: string}}
 */
export function followed(document, path) {
  /** @type {Keys} */
  const keys = [];
  let value = document;
  let rest = path;
  while (rest && typeof value === "object" && value !== null) {
    const fitting = Object.keys(value).filter((key) => rest === key || rest.startsWith(`${key}.`));
    const key = fitting.reduce((longest, each) => (each.length > longest.length ? each : longest), "");
    if (!fitting.length) break;
    keys.push(Array.isArray(value) ? Number(key) : key);
    value = value[key];
    rest = rest.slice(key.length + 1);
  }
  return { keys, rest };
}

/**
 * A number as it is typed; what is none stays a text, for the service to refuse.
 * @param {string} text
 */
export function number(text) {
  const given = text.trim();
  if (given === "") return undefined;
  if (/^-?\d+$/.test(given)) return Number.isSafeInteger(Number(given)) ? Number(given) : BigInt(given);
  return Number.isFinite(Number(given)) ? Number(given) : given;
}

/** @param {any} value */
export const shown = (value) => (value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * Where each of some places stands in a text of JSON: from its name to its value, or to the value's first bracket.
 * @param {string} json
 * @param {Keys[]} wanted
 * @returns {([number, number] | null)[]}
 */
export function places(json, wanted) {
  /** @type {Map<string, [number, number]>} */
  const found = new Map();
  const names = new Set(wanted.map((keys) => keys.join("\0")));
  /** @type {{isArray: boolean, key: string | number | null, at: number}[]} */
  const open = [];
  for (const { 0: token, index } of json.matchAll(TOKEN)) {
    const top = open.at(-1);
    if (token === "}" || token === "]") open.pop();
    else if (token === ",") {
      if (top) top.key = top.isArray ? Number(top.key) + 1 : null;
    } else if (top && !top.isArray && top.key === null) {
      top.key = unquoted(token);
      top.at = index;
    } else if (token !== ":") {
      const name = open.map((each) => each.key).join("\0");
      if (names.has(name)) found.set(name, [top && !top.isArray ? top.at : index, index + token.length]);
      if (token === "{" || token === "[") open.push({ isArray: token === "[", key: token === "[" ? 0 : null, at: index });
    }
  }
  return wanted.map((keys) => found.get(keys.join("\0")) ?? null);
}

/** @param {string} token */
function unquoted(token) {
  try {
    return JSON.parse(token);
  } catch {
    return token;
  }
}
