// Draws a curve the size of a word. What it means is its text, and the exact number stands next to it.

import { svg } from "./dom.js";

const WIDE = 120;
const HIGH = 24;
const MOST = 60; // points that can be told apart

// Means of as many stretches as can be told apart; null where nothing is known.
function thinned(values) {
  const each = Math.ceil(values.length / MOST);
  if (each < 2) return values;
  return Array.from({ length: Math.ceil(values.length / each) }, (_, place) => {
    const known = values.slice(place * each, (place + 1) * each).filter((value) => value !== null && value !== undefined);
    return known.length ? Number((known.reduce((one, other) => one + other, 0) / known.length).toPrecision(9)) : null;
  });
}

export function spark(all, label, kind = "") {
  const values = thinned(all);
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
