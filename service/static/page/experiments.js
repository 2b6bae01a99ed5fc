// Experiments on users: how each arm does, with intervals that hold at every look, and what the recommender is worth.

import { Trouble, get, id } from "./api.js";
import { el, moment, number, onWidth, percent, say } from "./dom.js";
import { interval, reachOf } from "./intervals.js";

const PERIOD = 10000; // milliseconds between looks at an open view
const METRICS = {
  click: "clicks", cart: "additions to the cart", purchase: "purchases", revenue: "revenue from slates", spending: "revenue in all",
};
const VERDICTS = {
  scheduled: "not started", shares_wrong: "shares are wrong", too_early: "too early to decide", better: "shown to be better",
  worse: "shown to be worse", undecided: "nothing is shown yet",
};
const TONES = { better: "better", worse: "worse", shares_wrong: "worse" };

const part = {};
let found = [];
let looked = 0;
let turn = 0;

export function build(root) {
  part.note = el("p", { class: "quiet" }, "…");
  part.list = el("div", { class: "experiments" });
  part.segment = el("select", { id: "among", onchange: look }, el("option", { value: "" }, "all users"));
  part.among = el("div", { class: "row", hidden: true }, el("label", { for: "among" }, "Count"), part.segment);
  root.append(el("h2", {}, "Experiments"),
    el("p", { class: "quiet" }, "Users are divided among the arms by their ids, and each keeps the arm. Intervals hold however often one looks."),
    part.among, part.note, part.list);
  onWidth(part.list, draw);
}

export function opened() {
  look();
}

export function reconnected() {
  if (!part.list.closest("section").hidden) look();
}

export function update(event, data, open) {
  if (event === "state" && open && Date.now() - looked > PERIOD) look();
}

async function look() {
  looked = Date.now();
  const own = ++turn;
  const among = part.segment.value;
  try {
    const answer = await get(among ? `/experiments?segment=${id(among)}` : "/experiments", { background: true });
    if (own !== turn) return;
    found = answer.experiments;
    offer([...new Set(found.flatMap((each) => each.segments))]);
    say(part.note, found.length ? "" : "There is no experiment. POST /experiments, sluicegate experiment start, or [[experiment]] in the settings begins one.");
    draw();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say(part.note, error.message);
  }
}

// The segments that setting learner.segments names; without any there is nothing to choose.
function offer(segments) {
  const [all, ...known] = part.segment.options;
  part.among.hidden = !segments.length;
  if (segments.join("\n") === known.map((option) => option.value).join("\n")) return;
  const chosen = part.segment.value;
  part.segment.replaceChildren(all, ...segments.map((name) => el("option", { value: name, selected: name === chosen }, `users with ${name}`)));
}

function draw() {
  part.list.replaceChildren(...found.map((each) => shown(each, part.list.clientWidth)));
}

function shown(each, width) {
  const until = each.end ? ` until ${moment(each.end)}` : "";
  const metric = METRICS[each.metric];
  return el("article", { class: "panel", "aria-label": each.name },
    el("h3", {}, each.name, el("span", { class: "badge" }, each.state),
      el("b", { class: `shown ${TONES[each.verdict] ?? ""}` }, ` ${VERDICTS[each.verdict]}`)),
    el("div", { class: "sentences" }, ...each.conclusion.map((text) => el("p", {}, text))),
    lifts(each, width),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Arms of ${each.name}` }, el("table", { class: "scores" },
      el("caption", { class: "hidden" }, `Arms of ${each.name}`),
      el("thead", {}, el("tr", {}, ...["Arm", "Share", "Users", "Slates", capital(metric), "Per slate", "Per user"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, ...each.arms.map((arm) => row(each, arm))))),
    el("p", { class: "quiet small" }, `Since ${moment(each.start)}${until}; decided by ${metric}. ${each.reason ? `Why: ${each.reason}` : ""}`.trim()));
}

const capital = (words) => words[0].toUpperCase() + words.slice(1);

function row(each, arm) {
  const measured = arm.measures[each.metric];
  const cells = [percent(arm.share), arm.users === null ? "–" : number(arm.users), number(arm.slates), number(measured.total), rate(measured.per_slate), rate(measured.per_user)];
  return el("tr", { class: arm.name === each.control ? "control" : "" }, el("th", { scope: "row" }, arm.name, arm.name === each.control ? el("span", { class: "quiet small" }, " control") : null),
    ...cells.map((text) => el("td", {}, text)));
}

const figure = (value) => (value === null ? "?" : String(Number(value.toPrecision(3))));

function rate({ value, low, high }) {
  if (value === null) return "–";
  return low === null ? `${figure(value)} (too few)` : `${figure(value)} (${figure(low)} to ${figure(high)})`;
}

export const change = (lift) => `${lift < 0 ? "−" : "+"}${(100 * Math.abs(lift)).toFixed(1)} %`;

// A bar for each arm that is compared: its lift over the control. One that nothing bounds above ends at the edge.
function lifts(each, width) {
  const bars = each.arms.map((arm) => ({ arm: arm.name, ...arm.measures[each.metric].lift })).filter((bar) => bar.low !== null && bar.low !== undefined);
  if (!bars.length) return null;
  const reach = reachOf(bars);
  return el("div", { class: "intervals" }, ...bars.map((bar) => {
    const words = `${bar.arm} over ${each.control}: ${change(bar.value)}, ${bar.high === null ? `from ${change(bar.low)} upwards` : `between ${change(bar.low)} and ${change(bar.high)}`}`;
    return el("div", { class: "comparison" }, el("p", { class: "small" }, words), interval(bar, width, words, reach));
  }));
}
