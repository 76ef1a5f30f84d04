// Trusted Types: the browser takes addresses of scripts from this policy alone, and it gives none but those of our own files.

const base = new URL(".", import.meta.url).href;

/** @type {{createScriptURL: (address: string) => any} | undefined} */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("missionops", {
  /** @param {string} address */
  createScriptURL(address) {
    if (!address.startsWith(base)) throw new TypeError(`${address} is no file of this page`);
    return address;
  },
});

/**
 * The address of one of our own scripts, for what starts it.
 * @param {string} name its path from here
 * @returns {any}
 */
export function scriptUrl(name) {
  const address = new URL(name, base).href;
  return policy ? policy.createScriptURL(address) : address;
}
