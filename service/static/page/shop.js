// The shop: real items to click, favourite and buy. Each is an event through Kafka; the recommendations follow.

import { Trouble, get, id, post } from "./api.js";
import { el, plain, say, skeletons } from "./dom.js";
import { address, picture } from "./picture.js";
import { SHOWN, entry, facts, lacking, title } from "./slate.js";

const PAGE = 24;
const PICKS = 8;
const LOOK = 60; // milliseconds between looks for the event in the history
const PATIENCE = 10000; // milliseconds to look for it
const VERBS = [["favourite", "Favourite"], ["purchase", "Buy"]];
const DONE = { click: "looked at", favourite: "marked as a favourite", purchase: "bought" };
const LEFT_OUT = 12; // items of this visit that are not recommended, the latest ones

const part = {};
let next = null;
let category = "";
let shown = [];
let touched = []; // items of this visit, the latest first
let asked = "";
let offset = 0;
let ready = false;
let turn = 0;

function visitor() {
  let known = sessionStorage.getItem("visitor");
  if (!known) {
    known = `visitor-${Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    sessionStorage.setItem("visitor", known);
  }
  return known;
}

const user = visitor();

export function build(root) {
  part.message = el("p", { class: "trouble", role: "alert" });
  part.items = el("ul", { class: "items", "aria-label": "Items" }, ...skeletons(9, "card"));
  part.count = el("p", { class: "quiet small" }, "Choose an item to look at it.");
  part.more = el("button", { class: "wide", hidden: true, onclick: more }, "Show more items");
  part.category = el("select", { id: "category", onchange: choose }, el("option", { value: "" }, "All categories"));
  part.picks = el("ol", { class: "picks", tabindex: "0", "aria-label": "Recommended items" }, ...skeletons(PICKS, "line"));
  part.arrival = el("p", { class: "arrival", role: "status" }, "Look at something in the shop: what is recommended follows.");
  part.by = el("p", { class: "quiet small" });
  root.append(
    el("div", { class: "shop" },
      el("div", { class: "shelf" },
        el("div", { class: "head" }, el("div", {}, el("h2", {}, "The shop"), part.count),
          el("div", { class: "row" }, el("label", { for: "category" }, "Category"), part.category)),
        part.message, part.items, part.more),
      el("aside", { class: "beside", "aria-label": "Recommendations", tabindex: "0" },
        el("h2", {}, "Recommended to you"), part.arrival, part.picks,
        el("div", { class: "about" }, part.by,
          el("p", { class: "quiet small" }, `You are ${user}: an invented id that ends with this tab. What you touched in this visit is left out.`)))));
}

export function opened() {
  if (!ready) start();
}

export function reconnected() {
  start();
}

export function update(event, data) {
  if (event !== "state") return;
  offset = data.at - Date.now() / 1000;
  // A shop that has just been started is still filling: look again until there are items.
  if (ready && !part.items.querySelector(".card:not(.skeleton)")) guarded(() => load());
}

async function guarded(work) {
  try {
    await work();
    say(part.message, "");
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say(part.message, `${error.message} ${error.next}`.trim());
  }
}

async function start() {
  await guarded(async () => {
    await Promise.all([load(), recommend()]);
    ready = true;
  });
}

async function load(after = "") {
  const parameters = new URLSearchParams({ limit: PAGE, ...(category && { category }), ...(after && { after }) });
  const page = await get(`/items?${parameters}`);
  const cards = page.items.map(card);
  if (after) part.items.append(...cards);
  else part.items.replaceChildren(...(cards.length ? cards : [nothing()]));
  if (page.categories && page.categories.length + 1 !== part.category.length) {
    part.category.replaceChildren(...["", ...page.categories].map((name) => el("option", { value: name }, name || "All categories")));
    part.category.value = category;
  }
  next = page.next;
  part.more.hidden = !next;
}

function nothing() {
  return el("li", { class: "empty" }, el("p", { class: "name" }, category ? "This category is empty." : "The shelf is empty."),
    el("p", {}, category ? "Its items were removed, or are not available." : "Send facts of items to POST /items or to topic items; they appear within a second."));
}

function choose() {
  category = part.category.value;
  guarded(() => load());
}

function more() {
  const first = part.items.children.length;
  guarded(async () => {
    await load(next);
    part.items.children[first]?.querySelector("button")?.focus();
  });
}

// A title in which a line may end behind a slash; elsewhere a long word is broken anywhere.
const breakable = (text) => text.split(/(?<=\/)/).flatMap((part, place) => (place ? [el("wbr"), part] : [part]));

function card(item) {
  const verb = (kind, words, about, ...children) => el("button", { ...about, "data-event": kind, "aria-label": `${words}: ${title(item)}`,
    onclick: (event) => guarded(() => act(kind, item, event.currentTarget)) }, ...children);
  return el("li", { class: "card", "data-item": item.item_id },
    verb("click", "Look at", { class: "look" }, picture(title(item), address(item)), el("span", { class: "name" }, ...breakable(title(item)))),
    el("p", { class: "quiet" }, facts(item)),
    el("div", { class: "verbs" }, ...VERBS.map(([kind, words]) => verb(kind, words, { class: kind === "purchase" ? "primary" : null }, words))));
}

async function act(kind, item, button) {
  const own = ++turn;
  const started = performance.now();
  const timestamp = Math.round(Date.now() + offset * 1000) / 1000;
  const event = { event_type: kind, event_id: `page-${crypto.getRandomValues(new Uint32Array(3)).join("-")}`, user_id: user,
    item_id: item.item_id, timestamp, ...(asked && { request_id: asked }) };
  button.classList.add("sent");
  touched = [item.item_id, ...touched.filter((each) => each !== item.item_id)].slice(0, LEFT_OUT);
  say(part.arrival, `You ${DONE[kind]} ${title(item)} …`);
  try {
    await post("/events", event);
    const arrived = await visible(event);
    const after = performance.now() - started;
    await recommend();
    if (own !== turn) return;
    say(part.arrival, arrived ? `Your last event (${kind} of ${title(item)}) took ${Math.round(after)} ms to arrive.`
      : `Your last event is in Kafka, and has not arrived within ${PATIENCE / 1000} s. Is the learner running?`);
  } catch (error) {
    say(part.arrival, "Your last event was not accepted.");
    throw error;
  } finally {
    button.classList.remove("sent");
  }
}

// Waits for the event in the history that recommendations are made from, so they reflect it from then on.
async function visible(event) {
  const limit = performance.now() + PATIENCE;
  while (performance.now() < limit) {
    try {
      const { history } = await get(`/users/${id(user)}`);
      if (history.some((entry) => entry.item_id === event.item_id && entry.event_type === event.event_type
        && Math.abs(entry.timestamp - event.timestamp) < 0.01)) return true;
    } catch (error) {
      if (error.status !== 503) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK));
  }
  return false;
}

async function recommend() {
  const without = touched.map((item) => `&exclude=${id(item)}`).join("");
  const slate = await get(`/recommend/${id(user)}?n=${PICKS}&explain=true&reasons=shopper&exclude_seen=purchased&${SHOWN}${without}`);
  asked = slate.request_id;
  const ids = slate.items.map((item) => item.item_id);
  part.picks.replaceChildren(...slate.items.map((item) => entry(item, { fresh: shown.length > 0 && !shown.includes(item.item_id) })));
  if (!ids.length) part.picks.append(el("li", { class: "empty" }, "Nothing to recommend yet: no item is known."));
  shown = ids;
  say(part.by, `Ordered by ${plain(slate.served_by)}, version ${slate.model_version ?? "none yet"}. ${lacking(slate)}`.trim());
}
