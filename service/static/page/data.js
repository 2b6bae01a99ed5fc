// Data: what became of the events that came in, the refused ones, how complete the catalogue is, and a mapping to try.

import { Trouble, get } from "./api.js";
import { el, moment, number, percent, plain, say } from "./dom.js";
import * as letters from "./letters.js";
import * as trial from "./trial.js";

const PAUSE = 4000; // milliseconds between two looks while the view is open
const SPAN = 60; // seconds over which rates are taken, at most
const SAMPLES = 8; // kinds of refused records that are shown, the newest first
// What each outcome means, in the words of docs/concepts.md; in the order in which they are shown.
const OUTCOMES = {
  learnt: "learned", duplicate: "came before, with the same event_id", late: "older than the learner takes", future: "from the future",
  capped: "beyond what one user may send a minute", erased: "of a user who was erased", ignored: "no event, by its mapping", rejected: "refused as unusable",
  quarantined: "held by a quarantine", dropped: "given up with a quarantine",
};
const REASONS = {
  empty: "no value", oversize: "too large", not_json: "no JSON", nesting: "nested too deeply", missing_field: "a field is missing", wrong_type: "a field of another type",
  bad_value: "a value that is not possible", bad_timestamp: "a time that cannot be read", unknown_type: "an event type that is not known",
  unknown_schema: "a schema that the registry does not know", unusable_schema: "a schema that cannot be used", undecodable: "bytes that the schema does not fit",
};
const FACTS = [["title", "a title"], ["category", "a category"], ["price", "a price"], ["picture", "a picture (image_url)"]];

const part = {};
let looked = -PAUSE;
let seen = []; // [time of the version, its outcomes], the oldest first

const word = (outcome) => (outcome === "learnt" ? "learned" : plain(outcome));

export const reasonWords = (reason) => REASONS[reason] ?? plain(reason);

export function build(root) {
  part.trouble = el("p", { class: "notice", role: "alert", hidden: true });
  part.tiles = el("dl", { class: "tiles" }, ...["Events learned", "Learned per second", "Refused", "Catalogue"].map((words) =>
    el("div", { class: "tile" }, el("dt", {}, words), el("dd", {}, "–"), el("dd", { class: "quiet small" }, " "))));
  part.outcomes = el("tbody");
  part.types = el("div", { class: "scroll", tabindex: "0", role: "group", "aria-labelledby": "types-title" });
  part.since = el("p", { class: "quiet small" });
  part.refused = el("ul", { class: "bars refusals" });
  part.posted = el("p", { class: "quiet small" });
  part.samples = el("ul", { class: "samples small" });
  part.coverage = el("ul", { class: "bars" });
  part.lately = el("p", { class: "quiet small" });
  root.append(el("h2", {}, "Data"), part.trouble, part.tiles,
    el("div", { class: "columns" },
      el("section", { class: "panel", "aria-labelledby": "outcomes-title" }, el("h3", { id: "outcomes-title" }, "What became of the records"),
        el("table", { class: "scores counts" }, el("thead", {}, el("tr", {}, ...["Outcome", "Records", "Share", "Per second"].map((words) => el("th", { scope: "col" }, words)))), part.outcomes)),
      el("section", { class: "panel", "aria-labelledby": "types-title" }, el("h3", { id: "types-title" }, "Events by type"), part.types, part.since)),
    el("div", { class: "columns" },
      el("section", { class: "panel", "aria-labelledby": "refused-title" }, el("h3", { id: "refused-title" }, "Refused, by reason"), part.refused, part.posted, part.samples),
      el("section", { class: "panel", "aria-labelledby": "coverage-title" }, el("h3", { id: "coverage-title" }, "How complete the catalogue is"), part.coverage, part.lately)),
    letters.build(reasonWords), trial.build());
}

export function opened() {
  look();
  trial.opened();
}

export const reconnected = () => { if (looked > 0) look(); };

export function update(event, data, open) {
  if (event === "state" && open && performance.now() - looked >= PAUSE) look();
}

async function look() {
  looked = performance.now();
  try {
    show(await get("/data", { background: true }));
    part.trouble.hidden = true;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say(part.trouble, `What is shown here is not new. ${error.message} ${error.next}`.trim());
    part.trouble.hidden = false;
  }
}

function show(found) {
  note(found);
  outcomes(found);
  types(found.counts);
  refused(found);
  catalogue(found.catalogue);
  tiles(found);
}

function note({ at, outcomes: counts }) {
  if (at === null || seen.at(-1)?.[0] === at) return;
  const total = Object.values(counts).reduce((sum, each) => sum + each, 0);
  // A model that begins again counts from zero.
  if (seen.length && total < seen.at(-1)[2]) seen = [];
  seen = [...seen, [at, counts, total]].filter(([when]) => at - when <= SPAN);
}

// Records a second of an outcome between the versions looked at; null before the second one.
function rate(outcome) {
  if (seen.length < 2) return null;
  const [[from, before], [to, after]] = [seen[0], seen.at(-1)];
  return ((after[outcome] ?? 0) - (before[outcome] ?? 0)) / (to - from);
}

const perSecond = (value) => (value === null ? "…" : value === 0 ? "0" : value < 10 ? value.toFixed(2) : number(value));

function tiles({ outcomes: counts, lost, catalogue: known }) {
  const total = Object.values(counts).reduce((sum, each) => sum + each, 0);
  const values = [
    [number(counts.learnt ?? 0), lost ? `${number(lost)} records had left the topic before they were read` : `of ${number(total)} records`],
    [perSecond(rate("learnt")), seen.length < 2 ? "counting" : `over ${Math.round(seen.at(-1)[0] - seen[0][0])} s`],
    [number(counts.rejected ?? 0), total ? `${percent((counts.rejected ?? 0) / total)} of all records` : "nothing has come in"],
    [number(known.items), known.hidden ? `items; ${number(known.hidden)} more are not available` : "items"],
  ];
  [...part.tiles.children].forEach((tile, at) => {
    say(tile.children[1], values[at][0]);
    say(tile.children[2], values[at][1]);
  });
}

function outcomes({ version, outcomes: counts }) {
  const total = Object.values(counts).reduce((sum, each) => sum + each, 0);
  const names = [...Object.keys(OUTCOMES).filter((name) => counts[name]), ...Object.keys(counts).filter((name) => !(name in OUTCOMES))];
  part.outcomes.replaceChildren(...(names.length ? names : [null]).map((name) => (name === null
    ? el("tr", {}, el("td", { colspan: "4", class: "quiet" }, version === null ? "No version yet: nothing was learned so far." : "Nothing has come in yet. Send events to POST /events or to the topic."))
    : el("tr", { class: name === "rejected" ? "bad" : null }, el("th", { scope: "row" }, word(name), OUTCOMES[name] && OUTCOMES[name] !== "learned" ? el("span", { class: "quiet small" }, OUTCOMES[name]) : null),
      el("td", {}, number(counts[name])), el("td", {}, percent(counts[name] / total)), el("td", {}, perSecond(rate(name)))))));
}

function types(counts) {
  const rows = Object.entries(counts?.types ?? {}).sort(([, one], [, other]) => sum(other) - sum(one));
  if (!rows.length) {
    part.types.replaceChildren(el("p", { class: "quiet" }, counts ? "No event since the learner began. With several learners (shards), types are not counted." : "The newest version has no counts by type: it is of an earlier release, or there is none."));
    return say(part.since, "");
  }
  const columns = Object.keys(OUTCOMES).filter((name) => rows.some(([, found]) => found[name]));
  part.types.replaceChildren(el("table", { class: "scores counts" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Type"), ...columns.map((name) => el("th", { scope: "col" }, word(name))))),
    el("tbody", {}, ...rows.map(([type, found]) => el("tr", {}, el("th", { scope: "row" }, type), ...columns.map((name) => el("td", {}, found[name] ? number(found[name]) : "–")))))));
  say(part.since, `Since the learner began at ${moment(counts.since)}.`);
}

const sum = (found) => Object.values(found).reduce((total, each) => total + each, 0);

function bar(words, value, most, text) {
  return el("li", {}, el("span", {}, words), el("progress", { value: String(value), max: String(Math.max(most, 1)), "aria-label": `${words}: ${text}` }), el("b", {}, text));
}

function refused({ counts, posted, refused: samples }) {
  const rows = Object.entries(counts?.refused ?? {}).sort(([, one], [, other]) => other - one);
  const most = rows[0]?.[1] ?? 1;
  part.refused.replaceChildren(...(rows.length ? rows.map(([reason, count]) => bar(reasonWords(reason), count, most, number(count)))
    : [el("li", counts ? { class: "well" } : { class: "quiet" }, counts ? "✓ Nothing that came by the topics was refused since the learner began." : "No counts yet: a version of this release brings them.")]));
  const left = Object.entries(counts?.left_out ?? {}).map(([field, count]) => `${field} ${number(count)}`);
  say(part.posted, [
    left.length ? `Left out of events that count without them: ${left.join(", ")}.` : "",
    posted.rejected ? `This service refused ${number(posted.rejected)} events that were sent to it, before they reached a topic; their senders were told why.` : "",
  ].filter(Boolean).join(" "));
  part.samples.replaceChildren(...samples.slice(0, SAMPLES).map(({ sent, reason, field, expected, count, last, found }) => el("li", {},
    el("b", {}, reasonWords(reason), " at ", el("code", {}, field)),
    el("span", {}, `expected ${expected}`, found === null ? "" : `, found ${found}`),
    el("span", { class: "quiet" }, `${number(count)} ${count === 1 ? sent.slice(0, -1) : sent}, last ${moment(last)}`))));
}

function catalogue(known) {
  if (!known.items) {
    part.coverage.replaceChildren(el("li", { class: "quiet" }, "No items yet: send their facts to POST /items, or to topic items."));
    return say(part.lately, "");
  }
  const rows = [...FACTS.map(([fact, words]) => [`have ${words}`, known[fact]]), ["were recommended lately", known.recommended]];
  part.coverage.replaceChildren(...rows.map(([words, count]) => bar(words, count, known.items, percent(count / known.items))));
  say(part.lately, `Lately: on a slate of this service process in the last ${Math.round(known.recommended_seconds / 60)} to ${Math.round(known.recommended_seconds / 30)} minutes.`);
}
