// The time line: which version was live, which was the newest, what held it, alarms, and decisions.

import { clock, el, number, onWidth, plain, svg } from "./dom.js";
import * as record from "./record.js";

const LEFT = 62;
const RIGHT = 10;
const PLOT = 132; // pixels of the lines of versions
const LANE = 20;
const STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400]; // seconds between two ticks

const MARKS = {
  rollback: { words: "rollback", path: "M-6 -5H6L0 6Z" },
  "by hand": { words: "promotion by hand", path: "M-6 5H6L0 -6Z" },
  mode: { words: "change of the mode", path: "M-5 -5H5V5H-5Z" },
  quarantine: { words: "order about a quarantine", path: "M0 -7L7 0L0 7L-7 0Z" },
  hold: { words: "hold begins", path: "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z" },
};

// A time line with a title. Each view has its own, of the same looks and decisions.
export function timeline(title, heading = "h3") {
  const drawing = el("div", { class: "timeline" });
  const body = el("tbody");
  const table = el("details", { ontoggle: () => rows(body, table) }, el("summary", {}, "The same as a table"),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title} as a table` },
      el("table", { class: "scores" },
        el("thead", {}, el("tr", {}, ...["From", "To", "Served", "Newest", "Anchors", "Mode", "Held for", "Alarms"].map((name) => el("th", { scope: "col" }, name)))),
        body)));
  const legend = el("ul", { class: "legend", "aria-label": "Marks" }, ...Object.entries(MARKS).map(([kind, mark]) => el("li", {}, symbol(kind), mark.words)));
  const keys = el("p", { class: "quiet" }, el("span", { class: "key served" }, "served"), el("span", { class: "key ranker" }, "newest"), el("span", { class: "key" }, "reference"));
  const draw = () => {
    const points = record.points().filter((point) => point.newest !== undefined);
    if (!drawing.isConnected || drawing.closest("[hidden]")) return;
    const width = drawing.clientWidth;
    const some = points.length > 1 && points.some((point) => point.newest);
    for (const each of [keys, legend, table]) each.hidden = !some;
    if (!width) return;
    if (!some) return drawing.replaceChildren(el("p", { class: "quiet" }, "It begins with the next versions."));
    drawing.replaceChildren(chart(points, record.noted(), width));
    rows(body, table);
  };
  onWidth(drawing, draw);
  const element = el("div", { class: "panel" }, el(heading, {}, title), keys, drawing, legend, table);
  return { element, draw };
}

function symbol(kind) {
  return svg("svg", { viewBox: "-8 -8 16 16", width: 16, height: 16, "aria-hidden": "true" }, svg("path", { d: MARKS[kind].path, class: `mark ${kind.replace(" ", "-")}` }));
}

const kindOf = (entry) => (entry.action === "promote" ? (entry.actor === "auto" ? null : "by hand") : entry.action === "hold" && entry.actor !== "auto" ? null : entry.action);

// Stretches in which `value` of the points stays the same and is not empty: [{from, to, value}].
function stretches(points, value) {
  const found = [];
  let before = null;
  for (const point of points) {
    const now = value(point);
    const last = found.at(-1);
    if (last && last.value === now && point.at - before.at < record.gapAfter(before)) last.to = point.at;
    else found.push({ from: point.at, to: point.at, value: now });
    before = point;
  }
  return found.filter((each) => each.value);
}

// The versions that the served one may not fall behind of, the youngest age first.
const anchored = (point) => (point.anchors ?? []).map((sequence) => `v${sequence}`).join(", ");

function lanes(points) {
  const alarms = [...new Set(points.flatMap((point) => point.alarms))].sort();
  return [
    { name: "Order", kind: "order", all: stretches(points, (point) => (point.sequence ? (point.baseline ? "baseline" : "ranking") : "")) },
    { name: "Anchors", kind: "anchor", all: stretches(points, anchored) },
    { name: "Mode", kind: "mode", all: stretches(points, (point) => point.mode) },
    { name: "Held for", kind: "held", all: stretches(points, (point) => (point.newest > point.sequence ? point.held.map(plain).join(", ") : "")) },
    ...alarms.map((alarm) => ({ name: "Alarm", kind: "alarm", all: stretches(points, (point) => (point.alarms.includes(alarm) ? plain(alarm) : "")) })),
  ];
}

function chart(points, decisions, width) {
  const from = points[0].at;
  const to = points.at(-1).at;
  const all = lanes(points);
  const height = PLOT + LANE * all.length + 22;
  const x = (at) => LEFT + ((at - from) / Math.max(1, to - from)) * (width - LEFT - RIGHT);
  const lines = { reference: (point) => point.reference, ranker: (point) => point.newest, served: (point) => point.sequence };
  const values = points.flatMap((point) => Object.values(lines).map((line) => line(point))).filter(Boolean);
  const low = Math.min(...values);
  const high = Math.max(low + 1, ...values);
  const y = (value) => PLOT - 8 - ((value - low) / (high - low)) * (PLOT - 22);
  const made = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": summary(points, decisions) });
  ticks(made, x, from, to, width, height);
  for (const value of [low, high]) made.append(svg("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, `v${value}`));
  for (const [kind, line] of Object.entries(lines)) made.append(svg("path", { d: stairs(points, line, x, y), class: `line ${kind === "reference" ? "" : kind}` }));
  all.forEach((lane, index) => band(made, lane, x, PLOT + LANE * index, width - RIGHT));
  for (const entry of decisions.filter((each) => each.at >= from && each.at <= to && MARKS[kindOf(each)])) {
    const point = points.findLast((each) => each.at <= entry.at) ?? points[0];
    const kind = kindOf(entry);
    made.append(svg("path", { d: MARKS[kind].path, class: `mark ${kind.replace(" ", "-")}`, transform: `translate(${x(entry.at).toFixed(1)} ${y(point.sequence || low).toFixed(1)})` },
      svg("title", {}, `${clock(entry.at)} ${MARKS[kind].words}: ${entry.reasons.map(plain).join(", ")}`)));
  }
  return made;
}

function ticks(made, x, from, to, width, height) {
  const fits = Math.max(2, (width - LEFT - RIGHT) / 84);
  const apart = STEPS.find((step) => (to - from) / step <= fits) ?? STEPS.at(-1);
  const words = (at) => (apart < 60 ? clock(at) : clock(at).slice(0, 5));
  for (let at = Math.ceil(from / apart) * apart; at <= to; at += apart) {
    made.append(svg("line", { x1: x(at), x2: x(at), y1: 4, y2: height - 18, class: "grid" }));
    if (x(at) > LEFT + 20 && x(at) < width - 28) made.append(svg("text", { x: x(at), y: height - 4, "text-anchor": "middle" }, words(at)));
  }
}

// A line of steps: a version stands until the next one.
function stairs(points, line, x, y) {
  let path = "";
  let last = null;
  for (const point of points) {
    const value = line(point);
    if (!value || (last && point.at - last.at >= record.gapAfter(last))) last = null;
    if (!value) continue;
    path += last ? `H${x(point.at).toFixed(1)}${value === last.value ? "" : `V${y(value).toFixed(1)}`}` : `M${x(point.at).toFixed(1)} ${y(value).toFixed(1)}`;
    last = { at: point.at, value, coarse: point.coarse };
  }
  return path;
}

// A name that is wider than its band stands to the right of it, where there is room.
function band(made, lane, x, top, end) {
  made.append(svg("text", { x: LEFT - 8, y: top + 14, "text-anchor": "end" }, lane.name));
  lane.all.forEach(({ from, to, value }, index) => {
    const left = x(from);
    const wide = Math.max(3, x(to) - left);
    made.append(svg("rect", { x: left, y: top + 3, width: wide, height: LANE - 6, rx: 3, class: `band ${lane.kind} ${value}` },
      svg("title", {}, `${lane.name}: ${value}, ${clock(from)} to ${clock(to)}`)));
    const room = 7 * value.length + 10;
    const next = lane.all[index + 1];
    if (wide > room) made.append(svg("text", { x: left + 6, y: top + 14, class: "inside" }, value));
    else if ((next ? x(next.from) : end) - left - wide > room) made.append(svg("text", { x: left + wide + 4, y: top + 14 }, value));
  });
}

function summary(points, decisions) {
  const now = points.at(-1);
  const held = now.newest > now.sequence && now.held.length ? `, v${now.newest} is held: ${now.held.map(plain).join(", ")}` : "";
  const counted = Object.keys(MARKS).map((kind) => [kind, decisions.filter((entry) => entry.at >= points[0].at && kindOf(entry) === kind).length]).filter(([, count]) => count);
  const marks = counted.map(([kind, count]) => `${number(count)} × ${MARKS[kind].words}`).join(", ") || "no decision of note";
  const alarms = now.alarms.length ? ` Alarms now: ${now.alarms.map(plain).join(", ")}.` : "";
  return `The ${record.ranged()}: ${now.sequence ? `v${now.sequence}` : "no version"} is served${held}. ${marks}.${alarms} The table below has the same.`;
}

const said = (point) => [point.mode, anchored(point), point.baseline, point.newest > point.sequence ? point.held.join() : "", point.alarms.join()].join("|");

function rows(body, table) {
  const points = record.points().filter((point) => point.newest !== undefined);
  if (!table.open || !points.length) return;
  const found = [];
  for (const point of points) {
    const last = found.at(-1);
    if (last && said(last.end) === said(point) && point.sequence >= last.end.sequence && point.at - last.end.at < record.gapAfter(last.end)) last.end = point;
    else found.push({ start: point, end: point });
  }
  const range = (one, other) => (one === other ? `v${one}` : `v${one} to v${other}`);
  body.replaceChildren(...found.reverse().map(({ start, end }) => el("tr", {},
    el("td", {}, clock(start.at)), el("td", {}, clock(end.at)),
    el("td", {}, end.sequence ? `${range(start.sequence, end.sequence)}${end.baseline ? ", ordered by the baseline" : ""}` : "none"),
    el("td", {}, end.newest ? range(start.newest, end.newest) : "none"), el("td", {}, anchored(end)), el("td", {}, end.mode),
    el("td", {}, end.newest > end.sequence ? end.held.map(plain).join(", ") : ""), el("td", {}, end.alarms.map(plain).join(", ")))));
}
