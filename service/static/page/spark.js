// Draws a curve the size of a word. What it means is its text, and the exact number stands next to it.

import { svg } from "./dom.js";

const WIDE = 120;
const HIGH = 24;

export function spark(values, label, kind = "") {
  const known = values.filter((value) => value !== null && value !== undefined);
  const low = Math.min(...known);
  const span = Math.max(...known) - low || 1;
  const step = WIDE / Math.max(1, values.length - 1);
  let started = false;
  const path = values.map((value, index) => {
    if (value === null || value === undefined) {
      started = false;
      return "";
    }
    const command = started ? "L" : "M";
    started = true;
    return `${command}${(index * step).toFixed(1)} ${(HIGH - ((value - low) / span) * HIGH).toFixed(1)}`;
  }).join("");
  return svg("svg", { viewBox: `-2 -2 ${WIDE + 4} ${HIGH + 4}`, role: "img", "aria-label": label, preserveAspectRatio: "none", class: "chart" },
    svg("path", { d: path, class: `line ${kind}` }));
}
