// Is it worth it: the learned ranking against the best single source and popularity, and what the holdout says in revenue.

import { Trouble, askForKey, get } from "./api.js";
import { chart } from "./chart.js";
import { el, moment, number, onWidth, percent, plain, say, seconds } from "./dom.js";
import { change } from "./experiments.js";
import { interval } from "./intervals.js";
import * as record from "./record.js";
import { status, tell } from "./status.js";

const GATE_PERIOD = 5000; // milliseconds between looks at an open view
const HOLDOUT_PERIOD = 30000; // it moves slowly
const POPULAR = { popularity_short: "popular right now", popularity_middle: "popular recently", popularity_long: "popular for a long time" };
const FLOOR = 0.05; // least hit rate at the top of the chart

const part = {};
const asked = { gate: -Infinity, holdout: -Infinity };
let gate = null;
let holdout; // undefined until the answer, null without one
let curves = null;

export function build() {
  part.ranking = card("Is the learned ranking better?");
  part.revenue = card("Does it bring revenue?");
  curves = chart("Hit rate within the first 20", { format: percent, floor: FLOOR,
    note: "Each event is tested before it is learned: how often its item was in the list." });
  for (const one of [part.ranking, part.revenue]) onWidth(one.body, draw);
  return el("section", { class: "chapter", "aria-labelledby": "worth" }, el("h3", { id: "worth", class: "question" }, "Is it worth it?"),
    el("div", { class: "columns" }, part.ranking.element, part.revenue.element), curves.element);
}

function card(title) {
  const made = { status: status(), big: el("p", { class: "big" }), body: el("div", { class: "said" }, el("div", { class: "skeleton line" }), el("div", { class: "skeleton line" })) };
  tell(made.status, "unknown", "asking …");
  made.element = el("article", { class: "panel", "aria-label": title }, el("div", { class: "head" }, el("h4", {}, title), made.status), made.big, made.body);
  return made;
}

export function look() {
  ask("gate", "/gate", part.ranking, (found) => { gate = found; });
  ask("holdout", "/experiments", part.revenue, (found) => { holdout = found.experiments.find((each) => each.name === "holdout" && each.state !== "stopped") ?? null; });
}

// Asks again what may have changed meanwhile.
export function follow() {
  if (performance.now() - asked.gate > GATE_PERIOD) ask("gate", "/gate", part.ranking, (found) => { gate = found; });
  if (performance.now() - asked.holdout > HOLDOUT_PERIOD) look();
}

async function ask(name, path, one, keep) {
  asked[name] = performance.now();
  try {
    keep(await get(path, { background: true }));
    draw();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (error.status === 401 || error.status === 403) return refused(one, error);
    failed(one, error);
  }
}

// Without the right to see it: the card says so, and asks for a key only when somebody wants to give one.
function refused(one, error) {
  tell(one.status, "unknown", "not allowed");
  say(one.big, "");
  one.key = "";
  one.body.replaceChildren(el("p", {}, error.message),
    el("p", {}, el("button", { type: "button", onclick: async () => { if (await askForKey(error.message)) look(); } }, "Enter a key")));
}

function failed(one, error) {
  tell(one.status, "unknown", "no answer");
  if (one.body.querySelector(".kept")) return;
  one.key = "";
  one.body.replaceChildren(el("p", { class: "trouble" }, `${error.message} ${error.next}`.trim()));
}

export function draw() {
  if (!part.ranking.body.clientWidth) return;
  if (gate) ranking();
  if (holdout !== undefined) revenue();
  const now = record.latest();
  curves.draw(record.points().filter((point) => Object.keys(point.scores).length), wanted(now ?? { scores: {} }));
}

const best = (scores) => Object.keys(POPULAR).filter((name) => name in scores).sort((one, other) => scores[other] - scores[one])[0];

// Served, the ranker, and what is compared with it: the best single source, and popularity if that is another one.
function wanted(now) {
  const source = gate?.evidence?.learnt?.against;
  const popular = best(now.scores);
  const names = [["served", "served", "served"], ["ranker", "learned ranking", "ranker"],
    ...(source && source in now.scores ? [[source, `best single source (${POPULAR[source] ?? plain(source)})`, "source"]] : []),
    ...(popular && popular !== source ? [[popular, POPULAR[popular], "other"]] : [])];
  return names.map(([name, words, kind]) => ({ name, words, kind, value: (point) => point.scores[name] }));
}

const points = (value) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`;

function put(one, key, ...made) {
  const text = JSON.stringify(key);
  if (one.key === text) return;
  one.key = text;
  one.body.replaceChildren(...made.filter(Boolean));
}

function ranking() {
  const { learnt_hit: mean, learnt_hit_low: low, learnt_hit_high: high, learnt_n: n } = gate.numbers ?? {};
  const compared = gate.evidence?.learnt;
  const scores = record.latest()?.scores ?? {};
  const popular = best(scores);
  const over = popular && scores.served !== undefined
    ? `Of recent events, what is served finds ${percent(scores.served)}, popular items find ${percent(scores[popular])}.` : "";
  const wide = part.ranking.body.clientWidth;
  if (!compared || low === undefined || low === null || !n) {
    tell(part.ranking.status, "unknown");
    say(part.ranking.big, "");
    return put(part.ranking, [over], el("p", {}, "Too few events are tested yet to compare it with the best single source."), over && el("p", { class: "quiet" }, over));
  }
  const source = POPULAR[compared.against] ?? plain(compared.against);
  const [now, word, sentence] = low > 0 ? ["good", "shown to be better", `The learned ranking is better than the best single source (${source}).`]
    : high < 0 ? ["bad", "shown to be worse", `The learned ranking is worse than the best single source (${source}), which orders slates meanwhile.`]
      : ["unknown", "nothing is shown yet", `Whether the learned ranking is better than the best single source (${source}) is not shown yet.`];
  tell(part.ranking.status, now, word);
  say(part.ranking.big, `${points(mean)} points`);
  const own = compared.hits / n;
  const other = compared.other_hits / n;
  const ahead = gate.baseline ? " The best single source orders slates now." : "";
  return put(part.ranking, [mean, low, high, n, over, wide, gate.baseline], el("p", { class: "kept" }, `${sentence}${ahead}`),
    interval({ low, value: mean, high }, wide, `Lift in hit rate: ${points(mean)} points, between ${points(low)} and ${points(high)}`),
    el("p", { class: "quiet small" }, `Hit rate ${percent(own)} against ${percent(other)} over ${number(n)} tested events; between ${points(low)} and ${points(high)} points, at every look.`),
    over && el("p", { class: "quiet small" }, over));
}

const REVENUE = {
  better: ["good", "shown to be better"], worse: ["bad", "shown to be worse"], undecided: ["unknown", "nothing is shown yet"],
  too_early: ["unknown", "too early to decide"], scheduled: ["unknown", "not started"], shares_wrong: ["bad", "shares are wrong"],
};

function revenue() {
  if (!holdout) {
    tell(part.revenue.status, "unknown", "not set up");
    say(part.revenue.big, "");
    return put(part.revenue, "none", el("p", {}, "Nobody is kept as a comparison, so nobody can say what the recommender brings in."),
      el("p", {}, "Two in a hundred users with a list of popular items are enough:"),
      el("pre", { class: "setting" }, el("code", {}, "[experiments]\nholdout = 0.02")),
      el("p", { class: "quiet small" }, "With this in the settings, the lift in revenue stands here, with bounds that hold at every look."));
  }
  const arms = holdout.arms;
  const arm = arms.find((each) => each.name !== holdout.control);
  const lift = arm?.measures[holdout.metric].lift;
  const bounded = lift && lift.low !== null;
  const [now, word] = REVENUE[holdout.verdict];
  const wide = part.revenue.body.clientWidth;
  const left = holdout.not_before - (record.latest()?.at ?? Date.now() / 1000);
  const users = arms.map((each) => `${each.users === null ? "many" : number(each.users)} ${each.name === holdout.control ? "with popular items" : "with the recommender"}`).join(", ");
  tell(part.revenue.status, now, word);
  say(part.revenue.big, lift && lift.value !== null ? `${change(lift.value)} revenue` : "");
  const bounds = bounded ? (lift.high === null ? `from ${change(lift.low)} upwards` : `between ${change(lift.low)} and ${change(lift.high)}`) : "";
  return put(part.revenue, [lift, users, wide, Math.round(left / 60), holdout.conclusion], ...holdout.conclusion.map((text) => el("p", { class: "kept" }, text)),
    bounded ? interval(lift, wide, `Lift in revenue per user: ${change(lift.value)}, ${bounds}`) : null,
    el("p", { class: "quiet small" }, `Users: ${users}. Since ${moment(holdout.start)}; ${left > 0 ? `minimum runtime over in ${seconds(left)}` : "minimum runtime over"}.`));
}
