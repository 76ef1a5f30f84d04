// The colours of a plot, from the theme of the page; and the shapes of severities.

/** @typedef {Record<"ground" | "raised" | "line" | "edge" | "text" | "muted" | "trace" | "critical" | "warning" | "warningEdge" | "low", string>} Theme */

const NAMES = ["ground", "raised", "line", "edge", "text", "muted", "trace", "critical", "warning", "warningEdge", "low"];

/**
 * @param {HTMLElement} probe an element whose colour nobody sees
 * @returns {Theme}
 */
export function theme(probe) {
  return /** @type {Theme} */ (
    Object.fromEntries(
      NAMES.map((name) => {
        probe.style.color = `var(--${name.replace("E", "-e")})`;
        return [name, getComputedStyle(probe).color];
      }),
    )
  );
}

/** @type {Record<string, "critical" | "warning" | "low">} */
const COLOURS = { CRITICAL: "critical", HIGH: "critical", MEDIUM: "warning", LOW: "low" };

/**
 * The symbol of a severity: ▼ with two edges, ▼, ◆ or ■, told apart without any colour.
 * @param {CanvasRenderingContext2D} context
 * @param {Theme} colours
 * @param {string} severity
 * @param {number} x
 * @param {number} y
 */
export function symbol(context, colours, severity, x, y) {
  const kind = COLOURS[severity] ?? "low";
  const size = 5;
  context.beginPath();
  if (kind === "critical") {
    context.moveTo(x - size, y - size);
    context.lineTo(x + size, y - size);
    context.lineTo(x, y + size);
  } else if (kind === "warning") {
    context.moveTo(x, y - size);
    context.lineTo(x + size, y);
    context.lineTo(x, y + size);
    context.lineTo(x - size, y);
  } else {
    context.rect(x - size + 1, y - size + 1, 2 * size - 2, 2 * size - 2);
  }
  context.closePath();
  context.fillStyle = colours[kind];
  context.fill();
  context.strokeStyle = kind === "warning" ? colours.warningEdge : colours.raised;
  context.lineWidth = 1;
  context.stroke();
  if (severity !== "CRITICAL") return;
  context.beginPath(); // a second edge, as its symbol has elsewhere
  context.moveTo(x - size - 5, y - size - 2.5);
  context.lineTo(x + size + 5, y - size - 2.5);
  context.lineTo(x, y + size + 5);
  context.closePath();
  context.strokeStyle = colours.critical;
  context.lineWidth = 1.2;
  context.stroke();
}

/**
 * Diagonal lines over a rectangle.
 * @param {CanvasRenderingContext2D} context
 * @param {{x: number, y: number, width: number, height: number}} area
 * @param {{colour: string, apart: number, rises: boolean, alpha: number}} style
 */
export function hatch(context, { x, y, width, height }, { colour, apart, rises, alpha }) {
  if (width <= 0 || height <= 0) return;
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.beginPath();
  const first = Math.floor((x - height) / apart) * apart;
  for (let start = first; start < x + width; start += apart) {
    context.moveTo(start, rises ? y + height : y);
    context.lineTo(start + height, rises ? y : y + height);
  }
  context.strokeStyle = colour;
  context.globalAlpha = alpha;
  context.lineWidth = 1;
  context.stroke();
  context.restore();
}

/**
 * A text that keeps within a width, and whose direction changes nothing around it.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} width
 */
export function fitted(context, text, width) {
  const isolated = (/** @type {string} */ part) => `\u2068${part}\u2069`;
  if (context.measureText(text).width <= width) return isolated(text);
  let length = Math.min(text.length, Math.ceil(width / 3));
  while (length > 1 && context.measureText(`${text.slice(0, length)}…`).width > width) length -= 1;
  return width < 12 ? "" : isolated(`${text.slice(0, length)}…`);
}
