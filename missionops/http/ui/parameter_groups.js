// The groups in which the page of a spacecraft shows its parameters.

/** @typedef {import("./parameter_row.js").Latest} Latest */

/**
 * The groups of parameters: by the subsystem of their rule, else by the first part of their names where several share it.
 * @param {Latest[]} items
 */
export function grouped(items) {
  const prefix = (/** @type {string} */ name) => /^([^._/:-]+)[._/:-]/.exec(name)?.[1] ?? "";
  const counts = new Map();
  for (const item of items) counts.set(prefix(item.name), (counts.get(prefix(item.name)) ?? 0) + 1);
  const known = new Map(items.filter((item) => item.subsystem).map((item) => [item.subsystem?.toLowerCase(), item.subsystem]));
  const of = (/** @type {Latest} */ item) => {
    const first = prefix(item.name);
    return item.subsystem ?? known.get(first.toLowerCase()) ?? (counts.get(first) > 1 ? first : "");
  };
  const names = [...new Set(items.map(of))].sort((one, other) => Number(one === "") - Number(other === "") || (one < other ? -1 : 1));
  return { of, names, places: new Map(names.map((name, index) => [name, index])) };
}

/**
 * @param {ReturnType<typeof grouped>} groups
 * @param {Latest} item
 */
export const order = (groups, item) => groups.places.get(groups.of(item)) ?? 0;
