// Two slates of one user side by side: of two versions, of two that order, or of two arms of an experiment.

import { Trouble, get, post } from "./api.js";
import { el, plain, say, short } from "./dom.js";
import { PICTURE } from "./picture.js";
import { entry, lacking } from "./slate.js";

const COUNT = 8;
// Who can order, as in the arms of experiments.
const ORDERS = {
  ranker: "Ranker", linear: "Linear ranker", shadow: "Best single source", popularity: "Popularity", popularity_short: "Popularity, the last 500 events",
  popularity_middle: "Popularity, the last 5,000 events", popularity_long: "Popularity, the last 100,000 events", own_recent: "The user's own items",
  follows: "What follows the last item", window: "What goes with the last ten items", cosine: "Similar items", machine: "Factorization machine",
};

let chosen = ["served", "popularity"]; // they stay for the next user

async function arms() {
  try {
    const { experiments } = await get("/experiments", { background: true });
    return experiments.flatMap((each) => each.arms.map((arm) => [`${each.name}/${arm.name}`, `${each.name}: ${arm.name}`]));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    return []; // versions and what orders can still be compared
  }
}

function sides(experiments) {
  return [
    ["Versions", [["served", "What is served"], ["reference", "The reference"]]],
    ["Who orders", Object.entries(ORDERS)],
    ["Arms of experiments", experiments],
  ].filter(([, options]) => options.length);
}

// How an item stands to the other slate: a shape and words, never a colour alone.
function mark(item, others) {
  const other = others.findIndex((each) => each.item_id === item.item_id) + 1;
  if (!other) return el("span", { class: "mark new" }, "◆ only here");
  if (other === item.rank) return el("span", { class: "mark same" }, "= same place");
  const by = Math.abs(other - item.rank);
  return el("span", { class: "mark" }, `${other > item.rank ? "▲" : "▼"} ${by} ${other > item.rank ? "higher" : "lower"}`);
}

export async function panels(user, open) {
  const groups = sides(await arms());
  const words = new Map(groups.flatMap(([, options]) => options));
  const part = { told: el("p", { class: "summary", role: "status" }), trouble: el("p", { class: "trouble", role: "alert" }), both: el("div", { class: "columns both" }) };
  let turn = 0;

  function choice(at, label) {
    if (!words.has(chosen[at])) chosen[at] = "served"; // an experiment that is gone
    return el("div", { class: "field" }, el("label", { for: `side-${at}` }, label),
      el("select", { id: `side-${at}`, onchange: (event) => { chosen[at] = event.target.value; ask(); } },
        ...groups.map(([name, options]) => el("optgroup", { label: name },
          ...options.map(([value, text]) => el("option", { value, selected: value === chosen[at] }, text))))));
  }

  function side(name, slate, other) {
    return el("section", { class: "panel", "aria-label": words.get(name) }, el("h3", {}, words.get(name)),
      el("p", { class: "quiet small" }, `Version ${short(slate.model_version)}, ordered by ${plain(slate.served_by)}. ${lacking(slate)}`.trim()),
      el("ol", { class: "picks" }, ...slate.items.map((item) => entry(item, { opens: open, mark: mark(item, other.items) }))));
  }

  async function ask() {
    const own = ++turn;
    const [one, other] = chosen;
    try {
      const found = await post("/recommend/compare", { user_id: user, one, other, n: COUNT, reasons: "operator", language: "en", attributes: [PICTURE] });
      if (own !== turn) return;
      const alone = one !== other && [one, other].includes("reference") && found.one.model_version === found.other.model_version;
      const note = alone ? " Both are of one version: the gate has no other reference now." : "";
      say(part.told, `${found.same} of ${found.one.items.length} items are the same.${note}`);
      part.both.replaceChildren(side(one, found.one, found.other), side(other, found.other, found.one));
      say(part.trouble, "");
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      if (own === turn) say(part.trouble, `${error.message} ${error.next}`.trim());
    }
  }

  await ask();
  return [
    el("div", { class: "panel" }, el("h3", {}, `Two slates for ${user}`),
      el("div", { class: "fields" }, choice(0, "One"), choice(1, "The other")),
      part.told, part.trouble,
      el("p", { class: "quiet small" }, "Both are made now, from the same history. Neither counts as shown, and no experiment hears of it.")),
    part.both];
}
