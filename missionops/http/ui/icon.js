// The icon of the tab: drawn here, with how many alarms wait for an operator.

import { WORST_SHAPES } from "./state.js";

/**
 * @param {"critical" | "warning" | "low" | null} symbol
 * @param {number} count
 */
function drawn(symbol, count) {
  const fills = { critical: "#d3181f", warning: "#ffc533", low: "#3f8fd6" };
  if (!symbol)
    return '<circle cx="8" cy="8" r="6" fill="none" stroke="#808890" stroke-width="2"/><circle cx="8" cy="8" r="2" fill="#808890"/>';
  const text = count > 99 ? "99+" : String(count);
  const size = text.length > 2 ? 6 : 8;
  return (
    `<path d="${WORST_SHAPES[symbol]}" fill="${fills[symbol]}" stroke="#fff" stroke-width=".6"/>` +
    `<text x="8" y="${symbol === "critical" ? 8.6 : 10.8}" text-anchor="middle" font-family="sans-serif" font-weight="700" font-size="${size}" fill="${symbol === "critical" ? "#fff" : "#191c1f"}">${text}</text>`
  );
}

/**
 * @param {"critical" | "warning" | "low" | null} symbol
 * @param {number} count
 */
export function setIcon(symbol, count) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${drawn(symbol, count)}</svg>`;
  const address = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  const icon = /** @type {HTMLLinkElement} */ (document.getElementById("icon"));
  if (icon.href !== address) icon.href = address;
}
