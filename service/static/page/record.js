// Remembers for all views what the stream said: a look a second for ten minutes, one every two minutes for a day, decisions.

import { Trouble, get } from "./api.js";
import { el } from "./dom.js";

const FINE = 600; // seconds of a look a second
const COARSE = 120; // seconds between two looks of the last day
const OF_NOTE = 60;
const RANGES = { 120: "2 minutes", 600: "10 minutes", 3600: "1 hour", 86400: "24 hours" };

const fine = [];
let coarse = [];
let filled = -Infinity;
let seconds = 600;
let pickers = 0;
const decided = new Map(); // revision to decision, of those that the stream sent

const later = (one, other) => other.at - one.at || other.revision - one.revision;

// Takes in a message of the stream.
export function take(event, data) {
  if (event === "history") looks(data);
  if (event === "state") looks([data]);
  const found = { decisions: data, state: data.decisions }[event] ?? [];
  for (const entry of found) decided.set(entry.revision, entry);
  if (found.length) for (const entry of [...decided.values()]) if (!shown().includes(entry)) decided.delete(entry.revision);
  if (seconds > FINE && performance.now() - filled > 1000 * COARSE) fill();
}

function looks(found) {
  const known = new Set(fine.map((point) => point.at));
  fine.push(...found.filter((point) => !known.has(point.at)));
  fine.sort((one, other) => one.at - other.at);
  while (fine.length && fine[0].at < fine.at(-1).at - FINE) fine.shift();
}

// The newest look; undefined before the first.
export const latest = () => fine.at(-1);

// Looks of the last `span` seconds, the oldest first.
export function points(span = seconds) {
  const now = latest()?.at ?? 0;
  const before = coarse.filter((point) => point.at < fine[0]?.at);
  return [...(span > FINE ? before : []), ...fine].filter((point) => point.at >= now - span);
}

// Seconds without a look between two of them after which nothing is known in between.
export const gapAfter = (point) => (point.coarse ? 2.5 * COARSE : 5);

// Decisions of note, newest first.
export const noted = () => [...decided.values()].filter((entry) => entry.of_note).sort(later);

// The same and the newest decision.
export const shown = () => [...decided.values()].sort(later).filter((entry, place) => entry.of_note || place === 0).slice(0, OF_NOTE);

export const range = () => seconds;

// What the range is called in a sentence: "the last hour".
export const ranged = () => `last ${RANGES[seconds].replace("1 hour", "hour")}`;

async function fill() {
  filled = performance.now();
  try {
    const columns = await get("/stream/past", { background: true });
    const names = Object.keys(columns).filter((name) => name !== "scores");
    coarse = columns.at.map((_, place) => ({
      coarse: true,
      ...Object.fromEntries(names.map((name) => [name, columns[name][place]])),
      scores: Object.fromEntries(Object.entries(columns.scores).map(([name, values]) => [name, values[place]])),
    }));
    dispatchEvent(new Event("range"));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    filled = -Infinity; // the next look asks again, and until then the curves show what there is
  }
}

function choose(chosen) {
  seconds = Number(chosen);
  if (seconds > FINE) fill();
  for (const input of document.querySelectorAll(".ranges input")) input.checked = input.value === String(seconds);
  dispatchEvent(new Event("range"));
}

// A choice of the time that curves show; all pickers of the page choose for all curves.
export function picker() {
  const name = `range-${++pickers}`;
  return el("fieldset", { class: "ranges" }, el("legend", { class: "hidden" }, "Time shown"),
    ...Object.entries(RANGES).map(([value, words]) => el("label", {},
      el("input", { type: "radio", name, value, checked: Number(value) === seconds, onchange: () => choose(value) }), el("span", {}, words))));
}
