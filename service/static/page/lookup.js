// Look up: a user's history and recommendations with reasons; an item's facts and the items that go with it.

import { Trouble, get, id } from "./api.js";
import { clock, el, price, say } from "./dom.js";
import { entry } from "./slate.js";

const part = {};

export function build(root) {
  part.user = el("input", { id: "user", autocomplete: "off", required: true });
  part.item = el("input", { id: "item", autocomplete: "off", required: true });
  part.result = el("div", { class: "result", "aria-live": "polite" });
  root.append(
    el("h2", {}, "Look up"),
    el("div", { class: "columns" }, form("user", "User", "Their history, and why each item is recommended."),
      form("item", "Item", "What the shop says about it, and what goes with it.")),
    part.result);
}

function form(kind, words, note) {
  const send = (event) => {
    event.preventDefault();
    show(kind, part[kind].value.trim());
  };
  return el("form", { class: "panel", onsubmit: send }, el("label", { for: kind }, words), el("p", { class: "quiet small" }, note),
    el("div", { class: "row" }, part[kind], el("button", { class: "primary" }, `Look up ${kind}`)));
}

export function opened() {
  if (!part.user.value) part.user.value = sessionStorage.getItem("visitor") ?? "";
}

export async function show(kind, wanted) {
  if (!wanted) return;
  part[kind].value = wanted;
  part.result.setAttribute("aria-busy", "true");
  try {
    part.result.replaceChildren(...await (kind === "user" ? user(wanted) : item(wanted)));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    part.result.replaceChildren(el("p", { class: "trouble" }, `${error.message} ${error.next}`.trim()));
  } finally {
    part.result.removeAttribute("aria-busy");
  }
}

function linked(wanted) {
  return el("button", { class: "plain", type: "button", onclick: () => show("item", wanted) }, wanted);
}

async function user(wanted) {
  const [known, slate] = await Promise.all([get(`/users/${id(wanted)}`), get(`/recommend/${id(wanted)}?n=8&explain=true&reasons=operator&language=en`)]);
  const done = known.history.map((event) => el("li", {}, el("time", {}, clock(event.timestamp)), el("b", {}, event.event_type), linked(event.item_id)));
  return [el("div", { class: "columns" },
    el("div", { class: "panel" }, el("h3", {}, `Recommended to ${wanted}, and why`),
      el("ol", { class: "picks" }, ...slate.items.map((found) => entry(found, { explained: true })))),
    el("div", { class: "panel" }, el("h3", {}, "What this user did last"),
      done.length ? el("ol", { class: "decisions" }, ...done) : el("p", { class: "quiet" }, "This user has no history: the slate is what is good for anybody.")))];
}

const FACTS = [["title", "Title"], ["category", "Category"], ["brand", "Brand"], ["price", "Price"], ["tags", "Tags"], ["rating", "Rating"]];

async function item(wanted) {
  const [known, slate] = await Promise.all([get(`/items/${id(wanted)}`), get(`/items/${id(wanted)}/similar?n=8&reasons=operator&language=en`)]);
  const facts = FACTS.filter(([name]) => known[name] !== undefined && known[name] !== null)
    .flatMap(([name, words]) => [el("dt", {}, words), el("dd", {}, name === "price" ? price(known.price) : [known[name]].flat().join(", "))]);
  return [el("div", { class: "columns" },
    el("div", { class: "panel" }, el("h3", {}, `Item ${wanted}`),
      el("dl", { class: "facts" }, ...facts, el("dt", {}, "Shown"), el("dd", {}, known.available ? "yes" : "no: removed or not available"),
        el("dt", {}, "Known to the model"), el("dd", {}, known.learnt ? "yes" : "not yet"))),
    el("div", { class: "panel" }, el("h3", {}, "Goes with it"),
      slate.items.length ? el("ol", { class: "picks" }, ...slate.items.map((found) => entry(found))) : el("p", { class: "quiet" }, "Nothing yet.")))];
}
