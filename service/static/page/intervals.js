// Draws differences with their bounds on one scale: an axis in points, zero, and the margin that still counts as no worse.
// Which comparisons there are is read from the numbers, so that those of other yardsticks are drawn as well.

import { el, number, plain, svg } from "./dom.js";

const COMPARED = {
  reference: "Challenger against reference",
  champion: "Challenger against champion",
  learnt: "Learned ranking against baseline",
  probation: "Champion against reference",
};
const MEASURES = { hit: "hit rate", reciprocal: "reciprocal rank" };
const ENDS = ["_low", "_high"];
const NARROW = 20; // pixels between the outermost tick and the edge
const APART = 64; // least pixels between two ticks

const points = (value) => {
  const text = Math.abs(100 * value).toFixed(2).replace(/\.?0+$/, "");
  return `${text === "0" ? "" : value < 0 ? "−" : "+"}${text}`;
};

// Of an anchor the model is behind only when it has lost more than the margin.
const anchored = (name) => /^anchor\d+$/.test(name);

const named = (name) => COMPARED[name] ?? `Challenger against ${plain(name).replace(/(\D)(\d+)$/, "$1 $2")}`;

// The comparisons that some numbers name: [{name, words, n, bars: [{measure, low, mean, high, recent}], margin}].
export function comparisons(numbers, words = {}) {
  const names = Object.keys(numbers).map((key) => /^(.+)_hit_low$/.exec(key)?.[1]).filter((name) => name && !name.endsWith("_recent"));
  const order = Object.keys(COMPARED);
  const place = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
  names.sort((one, other) => place(one) - place(other) || one.localeCompare(other));
  return names.map((name) => {
    const bars = [];
    for (const [prefix, recent] of [[name, false], [`${name}_recent`, true]]) {
      for (const measure of Object.keys(MEASURES)) {
        const [low, high] = ENDS.map((end) => numbers[`${prefix}_${measure}${end}`]);
        if (low === undefined || high === undefined || low === null || high === null) continue;
        bars.push({ measure, low, high, mean: recent ? null : numbers[`${name}_${measure}`] ?? null, recent, n: numbers[`${prefix}_n`] });
      }
    }
    return { name, words: words[name] ?? named(name), n: numbers[`${name}_n`], bars, margin: numbers[`${name}_margin`] ?? null };
  });
}

// The least distance between ticks that is 1, 2 or 5 times a power of ten, in shares.
function step(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= least * 0.999);
}

function scale(found, width) {
  const ends = found.flatMap((each) => [each.margin ?? 0, ...each.bars.flatMap((bar) => [bar.low, bar.high])]);
  const reach = 1.08 * Math.max(0.005, ...ends.map(Math.abs));
  const x = (value) => width / 2 + (value / reach) * (width / 2 - NARROW);
  const apart = step((reach * APART) / (width / 2 - NARROW));
  const ticks = [];
  for (let tick = 0; tick <= reach; tick += apart) ticks.push(...(tick ? [-tick, tick] : [0]));
  return { x, ticks };
}

// What each bar says, in the order of the bars.
function sentences(each) {
  return each.bars.map((bar) => {
    const mean = bar.mean === null ? "" : `${points(bar.mean)} points, `;
    const over = bar.n === undefined ? "" : ` over ${bar.recent ? "the latest " : ""}${number(bar.n)} tested events`;
    return `${MEASURES[bar.measure]} ${mean}between ${points(bar.low)} and ${points(bar.high)}${over}`;
  });
}

const SHOWN = { worse: "shown to be worse", better: "shown to be better", good: "shown to be no worse", open: "nothing is shown yet" };

// The latest bars decide, as they do for the gate.
function shown(each) {
  const latest = each.bars.filter((bar) => bar.recent);
  const judged = latest.length ? latest : each.bars;
  if (judged.some((bar) => bar.high < (anchored(each.name) ? -(each.margin ?? 0) : 0))) return "worse";
  if (judged.some((bar) => bar.low > 0)) return "better";
  return each.margin !== null && each.name !== "learnt" && judged.every((bar) => bar.low > -each.margin) ? "good" : "open";
}

function drawn(each, { x, ticks }, width) {
  const height = 14 * each.bars.length + 6;
  const made = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart bounds", height, role: "img",
    "aria-label": `${each.words}: ${SHOWN[shown(each)]}. ${sentences(each).join("; ")}.` });
  for (const tick of ticks) made.append(svg("line", { x1: x(tick), x2: x(tick), y1: 0, y2: height, class: tick ? "grid" : "zero" }));
  if (each.margin !== null && each.name !== "learnt") {
    made.append(svg("line", { x1: x(-each.margin), x2: x(-each.margin), y1: 0, y2: height, class: "margin" }));
  }
  each.bars.forEach((bar, index) => {
    const y = 10 + 14 * index;
    const kind = bar.high < 0 ? "worse" : bar.low > 0 ? "better" : "";
    made.append(svg("line", { x1: x(bar.low), x2: x(bar.high), y1: y, y2: y, class: `range ${kind} ${bar.measure} ${bar.recent ? "recent" : ""}` }));
    for (const end of [bar.low, bar.high]) made.append(svg("line", { x1: x(end), x2: x(end), y1: y - 5, y2: y + 5, class: `end ${kind}` }));
    if (bar.mean !== null) made.append(svg("circle", { cx: x(bar.mean), cy: y, r: 3.5, class: "mean" }));
  });
  return made;
}

function axis({ x, ticks }, width) {
  const made = svg("svg", { viewBox: `0 0 ${width} 18`, class: "chart bounds axis-labels", height: 18, "aria-hidden": "true" });
  for (const tick of ticks) made.append(svg("text", { x: x(tick), y: 13, "text-anchor": "middle" }, points(tick)));
  return made;
}

// One interval with its value around zero: {low, value, high}, in shares; `high` null where nothing bounds it above.
// `reach`: what the ends of the scale stand for, where several bars share one.
export function interval(bar, width, label, reach = reachOf([bar])) {
  const wide = Math.max(220, Math.min(width || 320, 720));
  const x = (value) => wide / 2 + (Math.max(-reach, Math.min(reach, value)) / reach) * (wide / 2 - NARROW);
  const kind = bar.low > 0 ? "better" : bar.high !== null && bar.high < 0 ? "worse" : "";
  const end = (value) => svg("line", { x1: x(value), x2: x(value), y1: 5, y2: 15, class: `end ${kind}` });
  return svg("svg", { viewBox: `0 0 ${wide} 20`, class: "chart bounds", height: 20, role: "img", "aria-label": label },
    svg("line", { x1: x(0), x2: x(0), y1: 0, y2: 20, class: "zero" }),
    svg("line", { x1: x(bar.low), x2: x(bar.high ?? reach), y1: 10, y2: 10, class: `range ${kind}` }),
    end(bar.low), ...(bar.high === null ? [] : [end(bar.high)]),
    svg("circle", { cx: x(bar.value), cy: 10, r: 3.5, class: "mean" }));
}

export const reachOf = (bars) => 1.1 * Math.max(0.02, ...bars.flatMap((bar) => [Math.abs(bar.low), Math.abs(bar.value), Math.abs(bar.high ?? 0)]));

// All comparisons of some numbers, for a place `width` pixels wide; null when there are none. `words` names some of them.
export function intervals(numbers, width, words = {}) {
  const found = comparisons(numbers, words).filter((each) => each.bars.length);
  if (!found.length) return null;
  const wide = Math.max(220, Math.min(width || 320, 720));
  const common = scale(found, wide);
  return el("div", { class: "intervals" },
    ...found.map((each) => el("div", { class: "comparison" },
      el("p", {}, el("span", {}, each.words), " ", el("b", { class: `shown ${shown(each)}` }, SHOWN[shown(each)])),
      drawn(each, common, wide),
      el("ul", { class: "quiet small", "aria-hidden": "true" }, ...sentences(each).map((text) => el("li", {}, text))))),
    axis(common, wide),
    el("p", { class: "quiet small" }, "In points: a hundredth of a hit rate, or of a reciprocal rank. ",
      el("span", { class: "key zero-key" }, "as good"), el("span", { class: "key margin-key" }, "margin: not shown to be left of it is no worse")));
}
