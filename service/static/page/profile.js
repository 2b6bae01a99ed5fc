// A user's history and recommendations with reasons; an item's facts and the items that go with it.

import { get, id } from "./api.js";
import { el, moment, price } from "./dom.js";
import { PICTURE, address, loadable, picture } from "./picture.js";
import { SHOWN, entry, lacking } from "./slate.js";

const DONE = { click: "looked at", favourite: "favourite", cart: "put into the cart", purchase: "bought", search: "searched", unfavourite: "favourite removed", dislike: "disliked", return: "returned" };

// The panels about a user. `open(id)` shows an item.
export async function user(wanted, open) {
  const [known, slate, { panel: told }] = await Promise.all([get(`/users/${id(wanted)}`), get(`/recommend/${id(wanted)}?n=8&explain=true&reasons=operator&${SHOWN}`),
    import("./attributes.js")]); // few look at it, so that it is no part of the page's beginning
  const done = known.history.map((event) => el("li", {}, picture(event.title ?? event.item_id, event.image_url, "thumb"),
    el("span", { class: "told" }, el("button", { class: "plain name", type: "button", onclick: () => open(event.item_id) }, event.title ?? event.item_id),
      el("span", { class: "quiet small" }, `${DONE[event.event_type] ?? event.event_type}, `, el("time", {}, moment(event.timestamp))))));
  return [el("div", { class: "columns" },
    el("div", { class: "panel" }, el("h3", {}, `Recommended to ${wanted}, and why`),
      el("ol", { class: "picks" }, ...slate.items.map((found) => entry(found, { explained: true, opens: open }))),
      slate.items.length ? null : el("p", { class: "quiet" }, "Nothing can be recommended yet: no item is known."),
      el("p", { class: "quiet small" }, lacking(slate))),
    el("div", { class: "stack" }, el("div", { class: "panel" }, el("h3", {}, "What this user did last"),
      done.length ? el("ol", { class: "decisions done" }, ...done)
        : el("p", { class: "quiet" }, "This user has no history: the slate is what is good for anybody.")),
      told(wanted, known.attributes)))];
}

const FACTS = [["category", "Category"], ["brand", "Brand"], ["price", "Price"], ["tags", "Tags"], ["rating", "Rating"], ["group_id", "Product of this variant"]];

const text = (name, value) => (name === "price" ? price(value) : [value].flat().join(", "));

const rows = (pairs) => pairs.flatMap(([words, value]) => [el("dt", {}, words), el("dd", {}, value)]);

// The panels about an item.
export async function item(wanted, open) {
  const [known, slate] = await Promise.all([get(`/items/${id(wanted)}`), get(`/items/${id(wanted)}/similar?n=8&reasons=operator&${SHOWN}`)]);
  const facts = FACTS.filter(([name]) => known[name] !== undefined && known[name] !== null).map(([name, words]) => [words, text(name, known[name])]);
  // The address of a picture that is shown says nothing; that of one that cannot be loaded does.
  const more = Object.entries(known.attributes ?? {}).filter(([name, value]) => name !== PICTURE || !loadable(value)).map(([name, value]) => [name, [value].flat().map(String).join(", ")]);
  return [el("div", { class: "columns" },
    el("div", { class: "panel" },
      el("div", { class: "item-head" }, picture(known.title ?? wanted, address(known), "large"),
        el("div", {}, el("h3", {}, known.title ?? wanted), el("p", { class: "quiet" }, known.title ? `Item ${wanted}` : "It has no title."))),
      el("dl", { class: "facts" }, ...rows(known.title ? [["Title", known.title], ...facts] : facts),
        ...rows([["Shown", known.available ? "yes" : "no: removed or not available"], ["Known to the model", known.learnt ? "yes" : "not yet"]]),
        ...rows(more))),
    el("div", { class: "panel" }, el("h3", {}, "Goes with it"),
      slate.items.length ? el("ol", { class: "picks" }, ...slate.items.map((found) => entry(found, { opens: open }))) : el("p", { class: "quiet" }, "Nothing yet.")))];
}
