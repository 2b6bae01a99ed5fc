// Learning: hit rates of the served ranking and of every contender, events per second, freshness, versions.

import { chart } from "./chart.js";
import { el, number, percent, plain, say, seconds } from "./dom.js";
import * as record from "./record.js";
import { spark } from "./spark.js";

const FLOOR = 0.05; // least hit rate at the top of the chart
const part = {};
const rows = new Map();
let curves = null;

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
  part.span = el("p", { class: "quiet small" });
  part.body = el("tbody");
  curves = chart("Hit rate within the first 20", { format: percent, floor: FLOOR, heading: "h3",
    note: "Each event is tested before it is learned: how often its item was in the list. Dotted thin lines are single sources." });
  part.scores = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Scores" }, el("table", { class: "scores contenders" },
      el("caption", { class: "hidden" }, "Hit rate of each contender now"),
      el("thead", {}, el("tr", {}, ...["Contender", "What it is", "Time shown", "Hit rate"].map((name) => el("th", { scope: "col" }, name)))),
      part.body));
  root.append(
    el("div", { class: "head" }, el("h2", {}, "How well it learns"), record.picker()),
    el("dl", { class: "tiles" },
      tile("rate", "Events per second", "between the last two versions"),
      tile("freshness", "From event to served", "median over the last version's events"),
      tile("version", "Champion", ""),
      tile("tested", "Tested before learning", "recent events behind the scores")),
    curves.element, part.span, part.scores);
  addEventListener("range", draw);
}

export function update(_, __, open) {
  if (open) draw();
}

export function opened() {
  draw();
}

function draw() {
  if (part.span.closest("[hidden]")) return;
  const points = record.points().filter((point) => point.sequence);
  const now = points.at(-1);
  part.scores.hidden = !now;
  if (!now) return say(part.span, "Nothing is learned yet. The first version comes a second after the first event.");
  say(part.rate, number(now.rate));
  say(part.freshness, seconds(now.freshness));
  say(part.version, `v${now.sequence}`);
  say(part["version-note"], `cut ${seconds(Math.max(0, now.at - now.created_at))} ago, ${number(now.items)} items`);
  say(part.tested, number(now.tested));
  small("rate", points.map((point) => point.rate), "Events per second");
  small("freshness", points.map((point) => point.freshness), "Seconds from event to served");
  small("version", points.map((point) => point.sequence), "Versions appearing");
  const names = Object.keys(now.scores).sort((one, other) => now.scores[other] - now.scores[one]);
  const order = (name) => ({ served: 0, ranker: 1 }[name] ?? 2);
  curves.draw(points, [...names].sort((one, other) => order(one) - order(other) || one.localeCompare(other)).map((name) => (
    { name, words: plain(name), kind: order(name) < 2 ? name : "other", value: (point) => point.scores[name] })));
  say(part.span, `The ${record.ranged()}, or since this service started.`);
  table(now, names, points);
}

function small(name, values, label) {
  if (values.filter((value) => value !== null && value !== undefined).length > 1) {
    part[`${name}-line`].replaceChildren(spark(values, `${label} over the ${record.ranged()}`, "served"));
  }
}

function table(now, names, points) {
  for (const name of names) if (!rows.has(name)) rows.set(name, row(name));
  for (const name of names) {
    const { line, value, score } = rows.get(name);
    line.replaceChildren(spark(points.map((point) => point.scores[name]), `Hit rate of ${plain(name)} over the ${record.ranged()}`, name === "served" ? "served" : ""));
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
