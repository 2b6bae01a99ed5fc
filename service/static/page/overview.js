// Overview: is it worth it, is it well, what changed. Each in a sentence first, then with its numbers.

import { el, plain, say, short, clock } from "./dom.js";
import * as record from "./record.js";
import { timeline } from "./timeline.js";
import * as well from "./well.js";
import * as worth from "./worth.js";

const FEW = 5; // decisions in the list
const ACTIONS = {
  promote: "went live", hold: "was held", rollback: "was rolled back to", mode: "mode changed", quarantine: "order about a quarantine", experiment: "experiment",
};

const part = {};

export function build(root) {
  part.empty = el("div", { class: "panel nothing", hidden: true }, el("h3", {}, "Nothing is learned yet"),
    el("p", {}, "The first version comes a second after the first event. Until then answers are popular or new items."),
    el("p", { class: "quiet" }, "Send events to ", el("code", {}, "POST /events"), ", or a file with ", el("code", {}, "sluicegate send"), "."));
  part.stale = el("p", { class: "notice", role: "status", hidden: true });
  part.worth = worth.build();
  part.well = well.build();
  part.line = timeline("What was served", "h4");
  part.changes = el("ol", { class: "decisions", "aria-label": "Latest changes" });
  part.quiet = el("p", { class: "quiet" }, "Nothing of note yet.");
  part.all = el("button", { type: "button", class: "plain", onclick: () => document.getElementById("tab-gate").click() }, "All decisions, and why");
  part.changed = el("section", { class: "chapter", "aria-labelledby": "changed" }, el("h3", { id: "changed", class: "question" }, "What changed?"),
    part.line.element, el("div", { class: "panel" }, el("h4", {}, "Latest changes"), part.quiet, part.changes, part.all));
  root.append(el("div", { class: "head" }, el("h2", {}, "Overview"), record.picker()), part.stale, part.empty, part.worth, part.well, part.changed);
  addEventListener("range", draw);
}

const open = () => !part.changed.closest("[role=tabpanel]").hidden;

export function opened() {
  worth.look();
  well.look();
  draw();
}

export function reconnected() {
  part.stale.hidden = true;
  if (open()) opened();
}

// What is shown stays, and says that it is old.
export function lost(text) {
  const at = record.latest()?.at;
  say(part.stale, at ? `${text}. What is shown is as of ${clock(at)}.` : `${text}.`);
  part.stale.hidden = false;
}

export function update(event, data, isOpen) {
  part.stale.hidden = true;
  if (!isOpen) return;
  if (event === "state") {
    worth.follow();
    well.follow(data);
  }
  draw();
}

function draw() {
  if (!open()) return;
  const now = record.latest();
  part.empty.hidden = !now || now.version !== null;
  worth.draw();
  well.draw();
  part.line.draw();
  changes();
  if (now && !performance.getEntriesByName("overview").length) performance.mark("overview");
}

function changes() {
  const found = record.noted().slice(0, FEW);
  part.quiet.hidden = found.length > 0;
  const key = found.map((entry) => entry.revision).join();
  if (part.changes.dataset.key === key) return;
  part.changes.dataset.key = key;
  part.changes.replaceChildren(...found.map((entry) => el("li", {},
    el("time", { datetime: new Date(entry.at * 1000).toISOString() }, clock(entry.at)),
    el("b", { class: `action ${entry.action}` }, sentence(entry)),
    el("span", { class: "quiet" }, [entry.detail || entry.reasons.map(plain).join(", "), entry.actor === "auto" ? "by the gate" : `by ${entry.actor}`].join(" · ")))));
}

function sentence(entry) {
  const version = short(entry.to_version ?? entry.from_version);
  if (entry.action === "mode" && entry.mode_before !== entry.mode_after) return `mode ${entry.mode_before} → ${entry.mode_after}`;
  if (entry.action === "rollback") return `rolled back to ${version}`;
  return ["promote", "hold"].includes(entry.action) ? `${version} ${ACTIONS[entry.action]}` : ACTIONS[entry.action] ?? entry.action;
}
