// The gate: the champion and why it is served, the evidence, the decisions as they come, and an operator's buttons.

import { Trouble, get } from "./api.js";
import { clock, el, moment, onWidth, plain, say, short } from "./dom.js";
import { intervals } from "./intervals.js";
import * as operate from "./operate.js";
import * as record from "./record.js";
import { timeline } from "./timeline.js";
import * as why from "./why.js";

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
let numbers = {};
let anchors = [];

export function build(root) {
  part.mode = el("p", { class: "now" }, "…");
  part.words = el("p", { class: "quiet" });
  part.facts = el("dl", { class: "facts" });
  part.evidence = el("div", { class: "evidence" }, el("p", { class: "quiet" }, "Too few events are tested yet."));
  part.list = el("ol", { class: "decisions", "aria-label": "Decisions, newest first" });
  part.latest = el("p", { class: "hidden", role: "status" });
  part.line = timeline("Time line");
  root.append(
    el("div", { class: "head" }, el("h2", {}, "The gate"), record.picker()),
    el("div", { class: "columns" },
      el("div", { class: "panel" }, el("h3", {}, "State"), part.mode, part.words, part.facts),
      el("div", { class: "panel" }, el("h3", {}, "Actions"), operate.build(show))),
    why.build(),
    part.line.element,
    el("div", { class: "panel" }, el("h3", {}, "Evidence"),
      el("p", { class: "quiet" }, "Differences with bounds that hold at every moment. A bar left of the line: shown to be worse."),
      part.evidence),
    el("div", { class: "panel" }, el("h3", {}, "Decisions of note"), part.latest, part.list));
  onWidth(part.evidence, bounds);
  addEventListener("range", part.line.draw);
}

export function opened() {
  read();
  why.follow();
  part.line.draw();
}

export function reconnected() {
  if (part.list.isConnected && !part.list.closest("section").hidden) read();
}

export function update(event, data, open) {
  decisions();
  if (event !== "state" || !open) return;
  part.line.draw();
  if (data.gate.revision !== revision) read();
  why.follow();
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

// The list has the decisions of note, and the newest one.
function decisions() {
  const shown = record.shown();
  const newest = `${shown[0]?.revision}`;
  if (!shown.length || part.list.dataset.newest === newest) return;
  part.list.dataset.newest = newest;
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
