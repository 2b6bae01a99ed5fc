// Is it well: six checks, each with a status, a number and a plain sentence; curves of freshness and events.

import { Trouble, get } from "./api.js";
import { chart } from "./chart.js";
import { el, number, plain, say, seconds } from "./dom.js";
import * as record from "./record.js";
import { spark } from "./spark.js";
import { status, tell } from "./status.js";

const PERIOD = 30000; // milliseconds between looks at the policy
const RECENT = 600; // seconds of answers that are counted
const FRESH = 5; // seconds, the target of the 99th percentile (docs/metrics.md)
const STALE = 60; // seconds from event to served, or behind the stream, that nobody expects of a running learner
const REASONS = {
  history_unavailable: "histories were not read in time", no_version: "there was no version yet", store_unavailable: "Redis did not answer",
  version_unloadable: "the champion could not be loaded",
};
const ALARMS = {
  hit_rate: "hits fell abruptly", event_mix: "other types of events come than before", unknown_items: "many events name new items",
  event_rate: "many more or fewer events come than before",
};

const part = {};
let lag = 900; // seconds behind the stream at which the gate holds versions
let asked = -Infinity;
let now = null; // the last state, with the gate

export function build() {
  part.checks = { fresh: tile("Freshness"), events: tile("Events"), answers: tile("Answers"), version: tile("Version"), alarms: tile("Alarms"), links: tile("Kafka and Redis") };
  part.overall = status();
  part.freshness = chart("From event to served", { format: seconds, floor: 1, note: "Median of the events of a version, and how far the learner is behind the stream." });
  part.events = chart("Events and slates a second", { format: (value) => `${number(value)} /s`, floor: 10, whole: true, note: "Events learned, and slates that this service answered." });
  tell(part.overall, "unknown");
  return el("section", { class: "chapter", "aria-labelledby": "well" },
    el("div", { class: "head" }, el("h3", { id: "well", class: "question" }, "Is it well?"), part.overall),
    el("ul", { class: "checks" }, ...Object.values(part.checks).map((one) => one.element)),
    el("div", { class: "columns" }, part.freshness.element, part.events.element));
}

function tile(title) {
  const made = { status: status(), value: el("p", { class: "value" }, "–"), note: el("p", { class: "quiet small" }), line: el("div", { class: "sparkline" }) };
  tell(made.status, "unknown");
  made.element = el("li", { class: "tile check" }, el("div", { class: "head" }, el("h4", {}, title), made.status), made.value, made.note, made.line);
  return made;
}

export function look() {
  policy();
}

async function policy() {
  asked = performance.now();
  try {
    lag = (await get("/gate", { background: true })).policy.lag;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error; // the stream says by itself when the service is away
  }
}

export function follow(state) {
  now = state;
  if (performance.now() - asked > PERIOD) policy();
}

export function draw() {
  const point = record.latest();
  if (!point) return;
  const found = Object.entries({ fresh, events, answers, version, alarms, links }).map(([name, check]) => {
    const [judged, value, sentence, line, word] = check(point);
    const one = part.checks[name];
    tell(one.status, judged, word);
    say(one.value, value);
    say(one.note, sentence);
    if (line && line.filter((each) => each !== null && each !== undefined).length > 1) one.line.replaceChildren(spark(line, `${value} now; over the last ten minutes`, "served"));
    return judged;
  });
  const wrong = found.filter((judged) => judged === "bad" || judged === "look");
  if (wrong.length) tell(part.overall, wrong.includes("bad") ? "bad" : "look", `${wrong.length} of ${found.length} to look at`);
  else if (point.version === null) tell(part.overall, "unknown");
  else tell(part.overall, "good", "all is well");
  const points = record.points();
  part.freshness.draw(points, [
    { name: "freshness", words: "from event to served", kind: "served", value: (each) => each.freshness },
    { name: "lag", words: "learner behind the stream", kind: "source", value: (each) => each.lag }]);
  part.events.draw(points, [
    { name: "rate", words: "events learned", kind: "served", value: (each) => each.rate },
    { name: "slates", words: "slates answered", kind: "ranker", value: (each) => each.slates / (each.coarse ? 120 : 1) }]);
}

const minutes = () => record.points(RECENT).filter((point) => !point.coarse);

function fresh(point) {
  const values = minutes().map((each) => each.freshness);
  if (point.version === null) return ["unknown", "–", "No version is served yet."];
  const last = point.freshness ?? values.findLast((value) => value !== null && value !== undefined);
  if (last === undefined || last === null) return ["unknown", "–", "No version with new events went live lately."];
  const judged = last <= FRESH ? "good" : last <= STALE ? "look" : "bad";
  return [judged, seconds(last), `An event is in the served model after ${seconds(last)}, by the median of the last version.`, values];
}

function events(point) {
  const behind = point.lag === null || point.lag === undefined ? "" : ` The learner is ${seconds(point.lag)} behind the stream.`;
  const values = minutes().map((each) => each.rate);
  if (point.version === null) return ["unknown", "–", "No event is learned yet."];
  if (point.lag > lag) return ["bad", `${number(point.rate)} /s`, `The learner is ${seconds(point.lag)} behind the stream: the gate holds versions until it has caught up.`, values];
  if (point.lag > STALE) return ["look", `${number(point.rate)} /s`, `The learner catches up.${behind}`, values];
  if (!point.rate) return ["unknown", "0 /s", `No event has come for some seconds.${behind}`, values, "quiet"];
  return ["good", `${number(point.rate)} /s`, `Events are learned as they come.${behind}`, values];
}

function answers() {
  const all = minutes();
  const sum = (count) => all.reduce((total, each) => total + count(each), 0);
  const slates = sum((each) => each.slates ?? 0);
  const failed = sum((each) => each.failed ?? 0);
  const reasons = [...new Set(all.flatMap((each) => Object.keys(each.degraded ?? {})))];
  const degraded = sum((each) => Object.values(each.degraded ?? {}).reduce((one, other) => one + other, 0));
  const line = all.map((each) => each.slates);
  const made = `${number(slates)} ${slates === 1 ? "slate" : "slates"} in the last ten minutes`;
  if (failed) return ["bad", `${number(failed)} failed`, `${made}; ${number(failed)} ${failed === 1 ? "answer" : "answers"} failed with an error of the service.`, line];
  if (degraded) return ["look", `${number(degraded)} degraded`, `${made}; some were less than they could be: ${reasons.map((name) => REASONS[name] ?? plain(name)).join(", ")}.`, line];
  return ["good", "0 failed", `${made}, none failed and none degraded.`, line];
}

function version(point) {
  if (point.version === null) return ["unknown", "none", "The first version comes a second after the first event."];
  const age = Math.max(0, point.at - point.created_at);
  const behind = point.newest - point.sequence;
  const name = `v${point.sequence}`;
  if (point.mode === "frozen") return ["look", name, `Frozen by an operator: nothing newer goes live. Made ${seconds(age)} ago.`];
  if (behind > 0 && point.held.length && age > STALE) return ["look", name, `Made ${seconds(age)} ago; v${point.newest} waits: ${point.held.map(plain).join(", ")}.`];
  return ["good", name, `Made ${seconds(age)} ago${behind > 0 ? `; v${point.newest} is being judged` : ", and the newest there is"}.`];
}

function alarms(point) {
  if (point.version === null) return ["unknown", "–", "Nothing is watched yet."];
  if (!point.alarms.length) return ["good", "none", "No detector sees an abrupt change in hits or events."];
  return ["look", number(point.alarms.length), `Something changed abruptly: ${point.alarms.map((name) => ALARMS[name] ?? plain(name)).join(", ")}.`];
}

function links(point) {
  const store = now?.gate.store_error;
  const load = now?.gate.load_error;
  if (store) return ["bad", "Redis is away", "The champion stays as it is, and answers go on without new versions."];
  if (load) return ["bad", "not loaded", "The champion cannot be loaded; an earlier version is served."];
  if (point.kafka_away) return ["bad", "Kafka is away", "Events sent to this service are refused; answers go on."];
  return ["good", "both answer", "This service reaches the log of events and the store of versions."];
}
