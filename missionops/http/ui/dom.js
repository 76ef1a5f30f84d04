// Elements from data. Text only ever becomes text: nothing here, or anywhere else, parses HTML.

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, any>} Properties
 */

/**
 * An element. A property that is a function listens to the event of its name; `false` and null leave an attribute out.
 * @param {string} tag
 * @param {Properties} [properties]
 * @param {...Child} children
 * @returns {any}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map(node));
  return element;
}

/** @param {any} child */
const node = (child) => (child instanceof Node ? child : document.createTextNode(String(child)));

const SVG = "http://www.w3.org/2000/svg";

/**
 * An SVG of 16 by 16, for the eye alone: a word always stands beside it.
 * @param {string} name its class
 * @param {...[string, Record<string, string>]} shapes
 */
export function svg(name, ...shapes) {
  const found = document.createElementNS(SVG, "svg");
  found.setAttribute("viewBox", "0 0 16 16");
  found.setAttribute("class", `symbol ${name}`);
  found.setAttribute("aria-hidden", "true");
  for (const [tag, attributes] of shapes) {
    const shape = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    found.append(shape);
  }
  return found;
}

/** What each row was made from. @type {WeakMap<Element, string>} */
const texts = new WeakMap();

/**
 * Make the children of an element those of `items`, by their keys: what is there already stays, with its focus.
 * @template T
 * @param {Element} parent
 * @param {T[]} items
 * @param {(item: T) => string} key
 * @param {(item: T) => HTMLElement} create
 */
export function keyed(parent, items, key, create) {
  const wanted = new Set(items.map(key));
  // First what goes: a row that is moved loses the focus.
  for (const child of [...parent.children]) if (!wanted.has(/** @type {any} */ (child).dataset.key)) child.remove();
  /** @type {Map<string, any>} */
  const known = new Map([...parent.children].map((child) => [/** @type {any} */ (child).dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const text = JSON.stringify(item, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
    let child = known.get(name);
    if (!child || texts.get(child) !== text) {
      const made = create(item);
      made.dataset.key = name;
      texts.set(made, text);
      if (child) {
        // A row that has the focus, or text that is selected, is changed within and not replaced.
        update(child, made);
        child.className = made.className;
        texts.set(child, text);
      } else {
        child = made;
      }
    }
    if (child !== place) parent.insertBefore(child, place);
    else place = child.nextElementSibling;
  }
}

/** Rows that are made at once: more of them would hold up the page. */
const FIRST = 60;
const SLICE = 120;

/**
 * As `keyed`, for many items: those that are to be seen at once come first, the others in slices, with time for the
 * browser in between.
 * @template T
 * @param {Element} parent
 * @param {T[]} items
 * @param {(item: T) => string} key
 * @param {(item: T) => HTMLElement} create
 * @param {AbortSignal} signal
 */
export async function keyedInSlices(parent, items, key, create, signal) {
  for (let count = Math.max(FIRST, parent.childElementCount); !signal.aborted; count += SLICE) {
    keyed(parent, items.slice(0, count), key, create);
    if (count >= items.length) return;
    await painted();
  }
}

/** Once the browser has painted, or after a while where nobody looks. */
export const painted = () =>
  new Promise((done) => {
    const timer = setTimeout(done, 100);
    requestAnimationFrame(() => {
      clearTimeout(timer);
      setTimeout(done);
    });
  });

/**
 * Make the children of an element those of another one of the same kind. Elements stay, with their focus, whether they
 * are open, and what was typed into them.
 * @param {Element} element
 * @param {Element} other
 */
function update(element, other) {
  const made = [...other.childNodes];
  const there = [...element.childNodes];
  if (made.length !== there.length) {
    element.replaceChildren(...made);
    return;
  }
  for (const [index, child] of there.entries()) {
    const wanted = made[index];
    if (child.isEqualNode(wanted)) continue;
    if (child instanceof Element && wanted instanceof Element && child.tagName === wanted.tagName) {
      for (const { name } of [...child.attributes]) if (name !== "open" && !wanted.hasAttribute(name)) child.removeAttribute(name);
      for (const { name, value } of wanted.attributes) child.setAttribute(name, value);
      update(child, wanted);
    } else {
      child.replaceWith(wanted);
    }
  }
}
