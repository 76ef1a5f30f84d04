// Keys of the plots. Those that are single characters can be switched off where all keys are listed.

const SETTING = "missionops.keys";

/** What the list of keys says of them. */
export const LISTED = [
  ["← →", "cursor to the sample before or after"],
  ["[ ]", "cursor to the violation before or after"],
  ["Shift ← →", "half a window back or on"],
  ["+ −", "zoom"],
  ["b", "back to the range before"],
  ["0", "back to the first range"],
  ["Space", "live, or paused"],
  ["t c, t v", "copy or paste the range"],
].map(([key, text]) => ({ key, text }));

/**
 * Listens until the plot is shown no more.
 * @param {HTMLElement} plot
 * @param {AbortSignal} left
 * @param {Record<string, () => void>} acts by key; `t c` and the like are two keys
 */
export function listen(plot, left, acts) {
  let before = "";
  addEventListener(
    "keydown",
    (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      if (
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        target.matches("input, textarea, select") ||
        document.querySelector("dialog[open]")
      )
        return;
      const isPlain = event.key.length > 1 || event.key === " ";
      if (isPlain && target !== plot && !(event.key === " " && target.matches("body, main"))) return;
      if (!isPlain && localStorage.getItem(SETTING) === "off") return;
      const name = `${event.shiftKey && event.key.length > 1 ? "Shift " : ""}${event.key}`;
      const act = acts[`${before} ${name}`] ?? acts[name];
      before = name;
      if (!act) return;
      event.preventDefault();
      act();
    },
    { signal: left },
  );
}
