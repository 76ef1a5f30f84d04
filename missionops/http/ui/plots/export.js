// What is shown, as a file: the numbers as CSV, the picture as PNG with all that says what it is.

import { draw, FONT } from "./drawing.js";
import { cell } from "../files.js";
import { iso } from "../range.js";
import { plain } from "../values.js";
import { layoutOf } from "./layout.js";

const HEADS = ["parameter", "time", "until", "last", "min", "min_at", "max", "max_at", "samples", "severities"];
const PNG_WIDTH = 1600;
const HEADER = 66;

/**
 * Every point that is shown, a line each; texts and booleans with the time of their first and last sample.
 * @param {import("./loading.js").Data} data
 */
export function csv(data) {
  const lines = [HEADS.join(",")];
  for (const trace of data.traces) {
    const judged = Map.groupBy(trace.violations, (each) => each.at.toFixed(3));
    for (let index = 0; index < trace.at.length; index += 1) {
      const beyond =
        judged
          .get(trace.from[index].toFixed(3))
          ?.map((each) => each.severity)
          .join(" ") ?? "";
      lines.push(
        [
          cell(trace.parameter),
          iso(trace.from[index]),
          trace.isSamples ? "" : iso(trace.to[index]),
          plain(trace.last[index]),
          plain(trace.min[index]),
          iso(trace.minAt[index]),
          plain(trace.max[index]),
          iso(trace.maxAt[index]),
          trace.count[index],
          beyond,
        ].join(","),
      );
    }
  }
  for (const { parameter, spans } of data.states) {
    for (const span of spans)
      lines.push([cell(parameter), iso(span.from), iso(span.to), cell(plain(span.value)), "", "", "", "", span.count, ""].join(","));
  }
  return `${lines.join("\r\n")}\r\n`;
}

/**
 * @param {import("./drawing.js").Picture} picture
 * @param {import("./theme.js").Theme} colours
 * @param {string[]} header lines that say what the picture is
 * @returns {Promise<Blob>}
 */
export function png(picture, colours, header) {
  const layout = layoutOf(picture.data, picture.range, PNG_WIDTH);
  const canvas = document.createElement("canvas");
  canvas.width = PNG_WIDTH;
  canvas.height = layout.height + HEADER;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = colours.raised;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.translate(0, HEADER);
  draw(context, picture, layout, colours);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.textAlign = "left";
  context.textBaseline = "top";
  context.fillStyle = colours.text;
  header.forEach((line, index) => {
    context.font = index === 0 ? `600 16px ${FONT.slice(5)}` : FONT;
    context.fillText(line, layout.left, index === 0 ? 8 : 12 + index * 18, PNG_WIDTH - layout.left - 16);
  });
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The browser made no picture."))), "image/png"),
  );
}
