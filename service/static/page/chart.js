// Draws small line charts. Each has its meaning as text, and the exact numbers stand next to it.

import { svg } from "./dom.js";

function path(values, width, height, low, high) {
  const step = width / Math.max(1, values.length - 1);
  const span = high - low || 1;
  let started = false;
  return values.map((value, index) => {
    if (value === null || value === undefined) {
      started = false;
      return "";
    }
    const command = started ? "L" : "M";
    started = true;
    return `${command}${(index * step).toFixed(1)} ${(height - ((value - low) / span) * height).toFixed(1)}`;
  }).join("");
}

function drawing(width, height, label) {
  return svg("svg", { viewBox: `-2 -2 ${width + 4} ${height + 4}`, role: "img", "aria-label": label,
    preserveAspectRatio: "none", class: "chart" });
}

export function spark(values, label, kind = "") {
  const known = values.filter((value) => value !== null && value !== undefined);
  const made = drawing(120, 24, label);
  made.append(svg("path", { d: path(values, 120, 24, Math.min(...known), Math.max(...known)), class: `line ${kind}` }));
  return made;
}

// Draws `all`, a list of {values, kind}, the last one on top.
export function lines(all, label, { width = 640, height = 180 } = {}) {
  const known = all.flatMap((line) => line.values).filter((value) => value !== null && value !== undefined);
  const high = Math.max(0.05, ...known) * 1.08;
  const made = drawing(width, height, label);
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    made.append(svg("line", { x1: 0, x2: width, y1: height * share, y2: height * share, class: "grid" }));
  }
  for (const { values, kind } of all) {
    made.append(svg("path", { d: path(values, width, height, 0, high), class: `line ${kind}` }));
  }
  return { made, high };
}
