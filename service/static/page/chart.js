// Draws curves with uPlot: axes with units, values at the pointer or by arrow keys, a legend that switches curves, a table.
// Each curve has a colour by its meaning, and a dash of its own, so that nobody has to tell colours apart.

import { clock, el, onWidth, say } from "./dom.js";
import { gapAfter } from "./record.js";

const HIGH = 200; // pixels
const ROWS = 20; // of the table
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
const LOOKS = {
  served: { colour: "--served", width: 2.25 },
  ranker: { colour: "--ranker", width: 1.75, dash: [8, 4] },
  source: { colour: "--source", width: 1.75, dash: [2, 3] },
  other: { colour: "--other", width: 1, dash: [1, 2] },
};
const WHOLE = [1, 2, 5].flatMap((step) => [0, 1, 2, 3, 4, 5, 6].map((power) => step * 10 ** power)).sort((one, other) => one - other);
const FONT = "12px system-ui, sans-serif";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const known = (value) => value !== null && value !== undefined;

// Looks as uPlot wants them: moments, and the values of each curve. Where looks are missing the curves are broken.
function columns(points, curves) {
  const found = [[], ...curves.map(() => [])];
  let last = null;
  for (const point of points) {
    if (last && point.at - last.at > gapAfter(last)) {
      found[0].push((last.at + point.at) / 2);
      for (const values of found.slice(1)) values.push(null);
    }
    found[0].push(point.at);
    curves.forEach((curve, place) => found[place + 1].push(curve.value(point) ?? null));
    last = point;
  }
  return found;
}

function marks(_, moments, __, ___, step) {
  return moments.map((at) => (step < 60 ? clock(at) : clock(at).slice(0, 5)));
}

// A chart with a title. `format` writes a value with its unit; `floor` is the least value at the top of the scale;
// `whole` wants whole numbers on the scale, `heading` is the element of the title.
export function chart(title, { format, floor, note = "", whole = false, heading = "h4" }) {
  const part = {};
  let plot = null;
  let names = "";
  let data = [[]];
  let curves = [];
  let looked = []; // what was drawn last: points and curves
  const hidden = new Set(); // names of curves that are switched off
  let chosen = null; // the moment that the arrow keys are at

  part.plot = el("div", { class: "plot", role: "slider", tabindex: "0", "aria-label": `${title}: moment`, "aria-valuemin": "0",
    "aria-valuemax": "0", "aria-valuenow": "0", "aria-valuetext": "no values yet", onkeydown: step, onfocus: hold, onblur: release });
  part.at = el("span", { class: "quiet small at" });
  part.legend = el("ul", { class: "curves", "aria-label": "Curves, to show and to hide" });
  part.rows = el("table", { class: "scores" });
  part.table = el("details", { ontoggle: table }, el("summary", {}, "The same as a table"),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title} as a table` }, part.rows));
  part.caption = el("figcaption", {}, el("div", { class: "head" }, el(heading, {}, title), part.at), note ? el("p", { class: "quiet small" }, note) : null);
  part.none = el("p", { class: "quiet" }, "It begins with the next versions.");
  const element = el("figure", { class: "panel curved" },
    part.caption, part.none, part.legend, part.plot, part.table);
  onWidth(part.caption, () => draw(...looked));
  // Colours are read when a curve is drawn.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot?.redraw());

  function draw(points = [], wanted = []) {
    looked = [points, wanted];
    const width = part.caption.clientWidth;
    if (!width) return;
    curves = wanted;
    data = columns(points, curves);
    const some = data[0].length > 1 && data.slice(1).some((values) => values.some(known));
    part.none.hidden = some;
    for (const each of [part.at, part.legend, part.plot, part.table]) each.hidden = !some;
    if (!some) return;
    const now = curves.map((curve) => `${curve.name} ${curve.kind}`).join();
    if (!plot || now !== names) make(width);
    names = now;
    if (plot.width !== width) plot.setSize({ width, height: HIGH });
    plot.setData(data);
    if (chosen !== null) place(nearest(chosen));
    else read(plot.cursor.idx);
  }

  function make(width) {
    plot?.destroy();
    const grid = { stroke: () => colour("--line"), width: 1 };
    const axis = { stroke: () => colour("--quiet"), font: FONT, grid, ticks: { ...grid, size: 4 } };
    plot = new window.uPlot({
      width, height: HIGH, padding: [10, 28, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: true }, y: { range: (_, __, high) => [0, Math.max(floor, (high ?? 0) * 1.1)] } },
      axes: [{ ...axis, size: 30, space: 76, values: marks }, { ...axis, size: 58, space: 34, ...(whole && { incrs: WHOLE }), values: (_, values) => values.map(format) }],
      series: [{}, ...curves.map((curve) => {
        const look = LOOKS[curve.kind];
        return { label: curve.words, show: !hidden.has(curve.name), stroke: () => colour(look.colour), width: look.width, dash: look.dash, points: { show: false } };
      })],
      hooks: { setCursor: [(self) => read(self.cursor.idx)] },
    }, data, part.plot);
    part.legend.replaceChildren(...curves.map((curve, place) => entry(curve, place + 1)));
  }

  function entry(curve, place) {
    const said = part[`said ${curve.name}`] = el("b", { class: "figure" });
    const button = el("button", { type: "button", class: `curve ${curve.kind}`, "aria-pressed": String(!hidden.has(curve.name)),
      onclick: () => {
        const show = hidden.delete(curve.name);
        if (!show) hidden.add(curve.name);
        plot.setSeries(place, { show });
        button.setAttribute("aria-pressed", String(show));
      } }, el("span", { class: "words" }, curve.words), said);
    return el("li", {}, button);
  }

  // Says the values of one look, the newest where none is pointed at.
  function read(index) {
    const at = index ?? data[0].length - 1;
    if (data[0][at] === undefined) return;
    const values = curves.map((curve, place) => (known(data[place + 1][at]) ? format(data[place + 1][at]) : "–"));
    curves.forEach((curve, place) => say(part[`said ${curve.name}`], values[place]));
    say(part.at, index === null || index === undefined ? "now" : clock(data[0][at]));
    part.plot.setAttribute("aria-valuemax", String(data[0].length - 1));
    part.plot.setAttribute("aria-valuenow", String(at));
    part.plot.setAttribute("aria-valuetext", `${clock(data[0][at])}: ${curves.map((curve, place) => `${curve.words} ${values[place]}`).join(", ")}`);
  }

  const nearest = (moment) => data[0].reduce((best, at, place) => (Math.abs(at - moment) < Math.abs(data[0][best] - moment) ? place : best), 0);

  function place(index) {
    chosen = data[0][index];
    plot.setCursor({ left: plot.valToPos(chosen, "x"), top: 1 });
  }

  function step(event) {
    if (!plot || !(event.key in STEPS)) return;
    event.preventDefault();
    const last = data[0].length - 1;
    const from = chosen === null ? last : nearest(chosen);
    place(Math.max(0, Math.min(last, from + STEPS[event.key])));
  }

  // Held while the keyboard is there: a value that changes each second would be read out each second.
  function hold() {
    if (plot && part.plot.matches(":focus-visible")) place(data[0].length - 1);
  }

  function release() {
    if (chosen === null) return;
    chosen = null;
    plot.setCursor({ left: -10, top: -10 });
  }

  // Stands as it was when it was opened: a table that changes each second cannot be read.
  function table() {
    if (!part.table.open) return;
    const [moments, ...values] = data;
    const apart = Math.max(1, Math.ceil(moments.length / ROWS));
    const wanted = moments.map((_, at) => at).filter((at) => (moments.length - 1 - at) % apart === 0).reverse();
    part.rows.replaceChildren(
      el("caption", { class: "hidden" }, title),
      el("thead", {}, el("tr", {}, ...["Time", ...curves.map((curve) => curve.words)].map((words) => el("th", { scope: "col" }, words)))),
      el("tbody", {}, ...wanted.map((at) => el("tr", {}, el("th", { scope: "row" }, clock(moments[at])),
        ...values.map((column) => el("td", {}, known(column[at]) ? format(column[at]) : "–"))))));
  }

  return { element, draw };
}
