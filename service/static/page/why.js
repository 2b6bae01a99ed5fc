// Why a version is served or not, in sentences, and what would have to change: what GET /gate/explain says.

import { Trouble, get, id } from "./api.js";
import { el, moment, say, seconds, short } from "./dom.js";

const OUTCOMES = {
  served: "is served", waiting: "waits", replaced: "was served, and replaced by a newer version",
  withdrawn: "was served, and withdrawn", held: "was never served",
};
const PAUSE = 3000; // milliseconds between two looks at the challenger

const part = {};
let chosen = ""; // "" follows the challenger
let asked = -PAUSE;

export function build() {
  part.head = el("p", { class: "verdict", role: "status" }, "…");
  part.why = el("ul", { class: "sentences" });
  part.ways = el("ul", { class: "ways" });
  part.waysTitle = el("h4", { hidden: true }, "What would let the challenger go live");
  part.note = el("p", { class: "quiet small" });
  part.version = el("input", { id: "explained", autocomplete: "off", maxlength: "40", placeholder: "the challenger" });
  return el("div", { class: "panel" }, el("h3", {}, "Why"),
    el("form", { class: "row", onsubmit: (event) => { event.preventDefault(); explain(part.version.value.trim()); } },
      el("label", { for: "explained" }, "Version"), part.version, el("button", {}, "Explain")),
    part.head, part.why, part.waysTitle, part.ways, part.note);
}

// Explains a version, by id or number; "" is the challenger of the moment.
export function explain(version) {
  chosen = version;
  part.version.value = version;
  look();
}

async function look() {
  const version = chosen;
  asked = performance.now();
  try {
    const found = await get(`/gate/explain${version ? `?version=${id(version)}` : ""}`);
    if (version === chosen) show(found);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    for (const list of [part.why, part.ways]) list.replaceChildren();
    part.waysTitle.hidden = true;
    say(part.head, error.message);
    say(part.note, error.next);
  }
}

// Looks again at the challenger, not more often than every few seconds.
export function follow() {
  if (!chosen && performance.now() - asked >= PAUSE) look();
}

function show(found) {
  if (found.version === undefined) return;
  const told = found.explanation;
  // What the challenger waits for is judged again all the time: a moment would make a screen reader repeat it.
  const when = found.status === "waiting" ? "" : ` (${told.action}, ${moment(told.at)})`;
  say(part.head, `${short(found.version)} ${OUTCOMES[found.status]}${when}`);
  part.head.dataset.status = found.status;
  const ended = found.ended ? [`Withdrawn ${moment(found.ended.at)}.`, ...found.ended.why] : [];
  same(part.why, [...told.why, ...ended].map((text) => [text, null]));
  const ways = told.remedies ?? [];
  part.waysTitle.hidden = !ways.length;
  same(part.ways, ways.map((way) => [way.text, way.seconds === undefined || way.seconds === null ? null : `about ${seconds(way.seconds)}`]));
  say(part.note, found.note);
}

// Replaces the sentences of a list only where they differ, so that a screen reader does not repeat them.
function same(list, entries) {
  const key = JSON.stringify(entries);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...entries.map(([text, badge]) => el("li", {}, ...marked(text), badge && el("span", { class: "badge" }, badge))));
}

// Commands stand between backticks.
function marked(text) {
  return text.split("`").map((piece, index) => (index % 2 ? el("code", {}, piece) : piece));
}
