// Learning: hit rates of the served ranking and of every contender, events per second, freshness, versions.

import { lines, spark } from "./chart.js";
import { el, number, percent, plain, say, seconds, short } from "./dom.js";

const KEPT = 600;
const points = [];
const part = {};
const rows = new Map();

const MEANING = {
  served: "what shoppers get", ranker: "all sources together, learned", machine: "factorization machine", linear: "linear model",
  follows: "what others went on to", window: "goes with recent items", cosine: "goes with recent items, popularity out",
  own_recent: "the shopper's own items", popularity_short: "popular right now", popularity_middle: "popular recently",
  popularity_long: "popular for a long time", untouched: "new items",
};

function tile(name, title, note) {
  part[name] = el("dd", {}, "–");
  part[`${name}-note`] = el("dd", { class: "quiet small" }, note);
  part[`${name}-line`] = el("dd", { class: "sparkline" });
  return el("div", { class: "tile" }, el("dt", {}, title), part[name], part[`${name}-note`], part[`${name}-line`]);
}

export function build(root) {
  part.chart = el("div", { class: "plot skeleton" });
  part.high = el("span", { class: "axis high" });
  part.span = el("p", { class: "quiet small" });
  part.body = el("tbody");
  root.append(
    el("h2", {}, "How well it learns"),
    el("dl", { class: "tiles" },
      tile("rate", "Events per second", "between the last two versions"),
      tile("freshness", "From event to served", "median over the last version's events"),
      tile("version", "Champion", ""),
      tile("tested", "Tested before learning", "recent events behind the scores")),
    el("h3", {}, "Hit rate within the first 20"),
    el("p", { class: "quiet" }, "Each event is tested before it is learned: how often its item was in the list. ",
      el("span", { class: "key served" }, "served"), el("span", { class: "key ranker" }, "ranker"), el("span", { class: "key" }, "each source")),
    el("div", { class: "plotbox" }, part.high, part.chart, el("span", { class: "axis low" }, "0 %")),
    part.span,
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Scores" }, el("table", { class: "scores" },
      el("caption", { class: "hidden" }, "Hit rate of each contender now"),
      el("thead", {}, el("tr", {}, ...["Contender", "What it is", "Last minutes", "Hit rate"].map((name) => el("th", { scope: "col" }, name)))),
      part.body)));
}

export function update(event, data, open) {
  points.push(...({ history: data, state: [data] }[event] ?? []).filter((point) => point.version));
  points.splice(0, Math.max(0, points.length - KEPT));
  if (open) draw();
}

export function opened() {
  draw();
}

function draw() {
  const now = points.at(-1);
  if (!now) return say(part.span, "Nothing is learned yet. The first version comes a second after the first event.");
  say(part.rate, number(now.rate));
  say(part.freshness, seconds(now.freshness));
  say(part.version, short(now.version));
  say(part["version-note"], `cut ${seconds(Math.max(0, now.at - now.created_at))} ago, ${number(now.items)} items`);
  say(part.tested, number(now.tested));
  small("rate", points.map((point) => point.rate), "Events per second over the last minutes");
  small("freshness", points.map((point) => point.freshness), "Seconds from event to served over the last minutes");
  small("version", points.map((point) => point.sequence), "Versions appearing over the last minutes");
  curves(now);
  return table(now);
}

function small(name, values, label) {
  if (values.filter((value) => value !== null && value !== undefined).length > 1) {
    part[`${name}-line`].replaceChildren(spark(values, label, "served"));
  }
}

const series = (name) => points.map((point) => point.scores[name]);

function order(name) {
  return { served: 2, ranker: 1 }[name] ?? 0;
}

function curves(now) {
  const names = Object.keys(now.scores).sort((one, other) => order(one) - order(other));
  const all = names.map((name) => ({ values: series(name), kind: order(name) ? name : "" }));
  const minutes = (now.at - points[0].at) / 60;
  const label = `Hit rates over the last ${minutes.toFixed(1)} minutes: served ${percent(now.scores.served ?? 0)}. The table has all contenders.`;
  const { made, high } = lines(all, label);
  part.chart.classList.remove("skeleton");
  part.chart.replaceChildren(made);
  say(part.high, percent(high));
  say(part.span, `The last ${seconds(now.at - points[0].at)}, one point a second.`);
}

function table(now) {
  const names = Object.keys(now.scores).sort((one, other) => now.scores[other] - now.scores[one]);
  for (const name of names) if (!rows.has(name)) rows.set(name, row(name));
  for (const name of names) {
    const { line, value, score } = rows.get(name);
    line.replaceChildren(spark(series(name), `Hit rate of ${plain(name)} over the last minutes`, name === "served" ? "served" : ""));
    say(value, percent(now.scores[name]));
    score.classList.toggle("chosen", name === now.served_by);
  }
  part.body.replaceChildren(...names.map((name) => rows.get(name).score));
}

function row(name) {
  const line = el("td", { class: "sparkline" });
  const value = el("td", { class: "figure" });
  const score = el("tr", { class: name }, el("th", { scope: "row" }, plain(name)), el("td", { class: "quiet" }, MEANING[name] ?? ""), line, value);
  return { line, value, score };
}
