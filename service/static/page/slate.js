// Shows a slate of the API as a list: picture, title, category, price, reason, source, score.

import { el, plain, price } from "./dom.js";
import { PICTURE, address, picture } from "./picture.js";

// What a request for a slate adds so that it can be shown here.
export const SHOWN = `attributes=${PICTURE}&language=en`;

// Contributions of rules and rounding say nothing about the shopper.
const RULES = new Set(["behind", "rounding", "unproposed", "order", "guard"]);

const FILLING = -1000;

export const title = (item) => item.title || item.item_id;

export function why(item) {
  if (item.reason) return item.reason;
  const found = (item.contributions ?? []).filter((part) => !RULES.has(part.name) && part.contribution > 0);
  found.sort((one, other) => other.contribution - one.contribution);
  return found.length ? found[0].words.replace(/ \(.*\)$/, "") : plain(item.source);
}

function details(item) {
  const parts = (item.contributions ?? []).filter((part) => part.name !== "rounding");
  if (!parts.length) return null;
  parts.sort((one, other) => Math.abs(other.contribution) - Math.abs(one.contribution));
  return el("details", {}, el("summary", {}, "What the score is made of", el("span", { class: "hidden" }, `, ${title(item)}`)),
    el("ul", { class: "parts" }, ...parts.slice(0, 8).map((part) => el("li", {},
      el("span", {}, part.words), el("b", {}, part.contribution.toFixed(3))))));
}

export function facts(item) {
  return [item.category, price(item.price)].filter(Boolean).join(" · ");
}

// What the source in charge did not propose itself stands far below its own items: its score is only a place.
const scored = (score) => (score > FILLING ? `score ${score.toFixed(2)}` : "fills the slate");

// `mark`: an element that says how the item stands to another slate. `opens`: called with the id when its title is chosen.
export function entry(item, { fresh = false, explained = false, mark = null, opens = null } = {}) {
  const named = opens ? el("button", { class: "plain name", type: "button", onclick: () => opens(item.item_id) }, title(item))
    : el("span", { class: "name" }, title(item));
  return el("li", { class: fresh ? "pick fresh" : "pick", "data-item": item.item_id },
    picture(title(item), address(item), "thumb"),
    el("div", { class: "told" },
      el("p", { class: "headline" }, el("span", { class: "rank" }, `${item.rank}. `), el("span", { class: "titled" }, named, mark)),
      el("p", { class: "quiet" }, facts(item)),
      el("p", { class: "why" }, why(item)),
      el("p", { class: "quiet small source" }, `${plain(item.source)} · ${scored(item.score)}`),
      explained ? details(item) : null));
}

// In which ways a slate is less than it could be, as a sentence; "" when all is well.
export function lacking(slate) {
  return slate.degraded.length ? `Less than it could be: ${slate.degraded.join(", ").replaceAll("_", " ")}.` : "";
}
