// The gate: the champion and why it is served, the evidence, the decisions as they come, and an operator's buttons.

import { Trouble, get } from "./api.js";
import { clock, el, moment, onWidth, plain, say, short } from "./dom.js";
import { worth } from "./experiments.js";
import { intervals } from "./intervals.js";
import * as operate from "./operate.js";
import * as timeline from "./timeline.js";
import * as why from "./why.js";

const OF_NOTE = 60;
const WORTH_PERIOD = 60000; // milliseconds between looks at what the holdout says
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
let valued = 0;
let numbers = {};
let anchors = [];
const decided = new Map(); // revision to decision, of those that the stream sent

export function build(root) {
  part.mode = el("p", { class: "now" }, "…");
  part.words = el("p", { class: "quiet" });
  part.facts = el("dl", { class: "facts" });
  part.evidence = el("div", { class: "evidence" }, el("p", { class: "quiet" }, "Too few events are tested yet."));
  part.list = el("ol", { class: "decisions", "aria-label": "Decisions, newest first" });
  part.latest = el("p", { class: "hidden", role: "status" });
  part.worth = el("div", { class: "panel", hidden: true });
  root.append(
    el("h2", {}, "The gate"),
    el("div", { class: "columns" },
      el("div", { class: "panel" }, el("h3", {}, "State"), part.mode, part.words, part.facts),
      el("div", { class: "panel" }, el("h3", {}, "Actions"), operate.build(show))),
    part.worth,
    why.build(),
    timeline.build(),
    el("div", { class: "panel" }, el("h3", {}, "Evidence"),
      el("p", { class: "quiet" }, "Differences with bounds that hold at every moment. A bar left of the line: shown to be worse."),
      part.evidence),
    el("div", { class: "panel" }, el("h3", {}, "Decisions of note"), part.latest, part.list));
  onWidth(part.evidence, bounds);
}

export function opened() {
  read();
  why.follow();
  timeline.draw();
}

export function reconnected() {
  if (part.list.isConnected && !part.list.closest("section").hidden) read();
}

export function update(event, data, open) {
  if (event === "history") timeline.take(data, sorted());
  if (event === "decisions") decisions(data);
  if (event !== "state") return;
  decisions(data.decisions);
  timeline.take([data], sorted());
  if (!open) return;
  timeline.draw();
  if (data.gate.revision !== revision) read();
  why.follow();
}

async function read() {
  if (reading) return;
  reading = true;
  try {
    show(await get("/gate"));
    if (Date.now() - valued > WORTH_PERIOD) await value();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say(part.words, error.message);
  } finally {
    reading = false;
  }
}

// Once a minute: it moves slowly.
async function value() {
  valued = Date.now();
  const made = await worth();
  part.worth.hidden = !made;
  part.worth.replaceChildren(...(made ?? []));
}

function show(gate) {
  revision = gate.revision;
  operate.update(gate);
  say(part.mode, gate.mode);
  part.mode.dataset.mode = gate.mode;
  say(part.words, MODE_WORDS[gate.mode] ?? "");
  part.facts.replaceChildren(...Object.entries(described(gate)).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  numbers = gate.numbers ?? {};
  anchors = gate.anchors ?? [];
  bounds();
}

function described(gate) {
  const until = gate.frozen_until ? ` until ${moment(gate.frozen_until)}` : "";
  return {
    Champion: `${short(gate.serving)}${gate.baseline ? ", ordered by the baseline" : ", ordered by the learned ranking"}`,
    Challenger: short(gate.head),
    Reference: short(gate.reference),
    ...(gate.anchors?.length && { Anchors: [...new Set(gate.anchors.map((anchor) => `${short(anchor.id)}, since ${moment(anchor.since)}`))].join("; ") }),
    "Last decision": gate.last_action ? `${gate.last_action}: ${gate.last_reasons.map(plain).join(", ")}` : "none yet",
    ...(gate.mode_reason && { Why: `${gate.mode_reason} (${gate.mode_actor})${until}` }),
    ...(gate.rollbacks && { "Rolled back": `${gate.rollbacks} in a row; quiet until ${moment(gate.cool_until)}` }),
    ...(gate.store_error && { Redis: gate.store_error }),
    ...(gate.load_error && { Loading: gate.load_error }),
  };
}

function bounds() {
  const words = Object.fromEntries(anchors.map((anchor, place) => [`anchor${place + 1}`, `Challenger against anchor ${place + 1}, ${short(anchor.id)}`]));
  const made = part.evidence.isConnected ? intervals(numbers, part.evidence.clientWidth, words) : null;
  if (made) part.evidence.replaceChildren(made);
}

const later = (one, other) => other.at - one.at || other.revision - one.revision;
const sorted = () => [...decided.values()].filter((entry) => entry.of_note).sort(later);

// Takes in decisions; the list has those of note, and the newest one.
function decisions(found) {
  for (const entry of found) decided.set(entry.revision, entry);
  const shown = [...decided.values()].sort(later).filter((entry, place) => entry.of_note || place === 0).slice(0, OF_NOTE);
  const newest = `${shown[0]?.revision}`;
  if (!shown.length || part.list.dataset.newest === newest) return;
  part.list.dataset.newest = newest;
  for (const entry of [...decided.values()]) if (!shown.includes(entry)) decided.delete(entry.revision);
  // What is there stays: somebody may be reading it.
  const there = new Map([...part.list.children].map((line) => [Number(line.dataset.revision), line]));
  part.list.replaceChildren(...shown.map((entry) => there.get(entry.revision) ?? decision(entry)));
  const human = shown.find((entry) => entry.actor !== "auto");
  if (human) say(part.latest, `${human.actor}: ${human.action}, ${human.reasons.map(plain).join(", ")}`);
}

function decision(entry) {
  const moved = entry.to_version && entry.to_version !== entry.from_version
    ? `${short(entry.from_version)} → ${short(entry.to_version)}`
    : entry.mode_before !== entry.mode_after ? `${entry.mode_before} → ${entry.mode_after}` : short(entry.from_version);
  const body = el("div", { class: "taken" });
  const line = el("details", {},
    el("summary", {}, el("time", { datetime: new Date(entry.at * 1000).toISOString() }, clock(entry.at)),
      el("b", { class: `action ${entry.action}` }, entry.action), el("span", { class: "moved" }, moved),
      el("span", { class: "quiet" }, [entry.reasons.map(plain).join(", "), entry.detail, entry.actor === "auto" ? "" : `by ${entry.actor}`].filter(Boolean).join(" · "))),
    body);
  line.addEventListener("toggle", () => {
    if (!line.open || body.firstChild) return;
    const version = entry.to_version || entry.from_version;
    body.append(intervals(entry.numbers ?? {}, body.clientWidth) ?? el("p", { class: "quiet" }, "Nothing was compared."),
      ...(version ? [el("button", { type: "button", class: "plain", onclick: () => explain(version) }, `Explain ${short(version)}`)] : []));
  });
  return el("li", { "data-revision": entry.revision }, line);
}

function explain(version) {
  why.explain(version);
  document.getElementById("explained").focus();
}
