// The gate: the champion and why it is served, the evidence, the decisions as they come, and an operator's buttons.

import { Trouble, get } from "./api.js";
import { interval } from "./chart.js";
import { clock, el, moment, number, plain, say, short } from "./dom.js";
import * as operate from "./operate.js";

const COMPARED = {
  reference: "Challenger against reference",
  champion: "Challenger against champion",
  learnt: "Learned ranking against baseline",
  probation: "Champion against reference",
};
const MODE_WORDS = {
  continuous: "Every sound version goes live, unless it is shown to be worse.",
  strict: "A version goes live when it is shown to be better, or no worse for three in a row.",
  shadow: "The baseline orders slates; the learned ranking is only reported.",
  manual: "A version goes live when an operator asks.",
  frozen: "Nothing goes live.",
};

const part = {};
let reading = false;
let revision = -1;

export function build(root) {
  part.mode = el("p", { class: "now" }, "…");
  part.words = el("p", { class: "quiet" });
  part.facts = el("dl", { class: "facts" });
  part.evidence = el("div", { class: "evidence" }, el("p", { class: "quiet" }, "Too few events are tested yet."));
  part.list = el("ol", { class: "decisions", "aria-label": "Decisions, newest first" });
  part.latest = el("p", { class: "hidden", role: "status" });
  root.append(
    el("h2", {}, "The gate"),
    el("div", { class: "columns" },
      el("div", { class: "panel" }, el("h3", {}, "State"), part.mode, part.words, part.facts),
      el("div", { class: "panel" }, el("h3", {}, "Actions"), operate.build(show))),
    el("div", { class: "panel" }, el("h3", {}, "Evidence"),
      el("p", { class: "quiet" }, "Difference in hit rate, with bounds that hold at every moment. An interval left of the line: shown to be worse."),
      part.evidence),
    el("div", { class: "panel" }, el("h3", {}, "Decisions"), part.latest, part.list));
}

export function opened() {
  read();
}

export function reconnected() {
  if (part.list.isConnected && !part.list.closest("section").hidden) read();
}

export function update(event, data, open) {
  if (event !== "state") return;
  if (data.decisions.length) decisions(data.decisions);
  if (open && data.gate.revision !== revision) read();
}

async function read() {
  if (reading) return;
  reading = true;
  try {
    show(await get("/gate"));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say(part.words, error.message);
  } finally {
    reading = false;
  }
}

function show(gate) {
  revision = gate.revision;
  operate.update(gate);
  say(part.mode, gate.mode);
  part.mode.dataset.mode = gate.mode;
  say(part.words, MODE_WORDS[gate.mode] ?? "");
  part.facts.replaceChildren(...Object.entries(described(gate)).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  bounds(gate.numbers ?? {});
}

function described(gate) {
  const until = gate.frozen_until ? ` until ${moment(gate.frozen_until)}` : "";
  return {
    Champion: `${short(gate.serving)}${gate.baseline ? ", ordered by the baseline" : ", ordered by the learned ranking"}`,
    Challenger: short(gate.head),
    Reference: short(gate.reference),
    "Last decision": gate.last_action ? `${gate.last_action}: ${gate.last_reasons.map(plain).join(", ")}` : "none yet",
    ...(gate.mode_reason && { Why: `${gate.mode_reason} (${gate.mode_actor})${until}` }),
    ...(gate.rollbacks && { "Rolled back": `${gate.rollbacks} in a row; quiet until ${moment(gate.cool_until)}` }),
    ...(gate.store_error && { Redis: gate.store_error }),
    ...(gate.load_error && { Loading: gate.load_error }),
  };
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`;

function bounds(numbers) {
  const made = Object.entries(COMPARED).filter(([name]) => `${name}_hit_low` in numbers).map(([name, words]) => {
    const [low, mean, high] = ["_hit_low", "_hit", "_hit_high"].map((end) => numbers[name + end]);
    const text = `${signed(mean)} points, between ${signed(low)} and ${signed(high)}, over ${number(numbers[`${name}_n`])} tested events`;
    return el("div", { class: "comparison" }, el("p", {}, words), interval(low, mean, high, `${words}: ${text}`), el("p", { class: "quiet small", "aria-hidden": "true" }, text));
  });
  if (made.length) part.evidence.replaceChildren(...made);
}

function decisions(found) {
  const newest = `${found[0].revision}`;
  if (part.list.dataset.newest === newest) return;
  part.list.dataset.newest = newest;
  part.list.replaceChildren(...found.map(decision));
  const human = found.find((entry) => entry.actor !== "auto");
  if (human) say(part.latest, `${human.actor}: ${human.action}, ${human.reasons.map(plain).join(", ")}`);
}

function decision(entry) {
  const moved = entry.to_version && entry.to_version !== entry.from_version
    ? `${short(entry.from_version)} → ${short(entry.to_version)}`
    : entry.mode_before !== entry.mode_after ? `${entry.mode_before} → ${entry.mode_after}` : short(entry.from_version);
  return el("li", {}, el("time", { datetime: new Date(entry.at * 1000).toISOString() }, clock(entry.at)),
    el("b", { class: `action ${entry.action}` }, entry.action), el("span", { class: "moved" }, moved),
    el("span", { class: "quiet" }, [entry.reasons.map(plain).join(", "), entry.detail, entry.actor === "auto" ? "" : `by ${entry.actor}`].filter(Boolean).join(" · ")));
}
