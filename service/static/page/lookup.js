// Look up: a user or an item is found; the parts below say why, try options, or compare two ways for the same user.

import { Trouble } from "./api.js";
import { el } from "./dom.js";
import { item, user } from "./profile.js";
import { itemSearch, userSearch } from "./search.js";

const MODES = [["why", "Why these items"], ["options", "Try options"], ["compare", "Compare two ways"]];

const part = {};
let mode = "why";
let shown = { kind: "user", id: "" };
let turn = 0;

export function build(root) {
  part.searches = [
    userSearch("user", "User", [el("button", { class: "primary" }, "Look up user"), el("button", { type: "button", onclick: me }, "Me")], (found) => show("user", found.user_id)),
    itemSearch("item", "Item", [el("button", { class: "primary" }, "Look up item")], (found) => show("item", found.item_id))];
  [part.user, part.item] = part.searches.map((each) => each.input);
  part.modes = el("div", { class: "modes", role: "group", "aria-label": "What to see of this user" }, ...MODES.map(([name, words]) =>
    el("button", { type: "button", "data-mode": name, "aria-pressed": String(name === mode), onclick: () => choose(name) }, words)));
  part.result = el("div", { class: "result", "aria-live": "polite" }, beginning());
  root.append(
    el("h2", {}, "Look up"),
    el("div", { class: "columns" },
      el("form", { class: "panel", onsubmit: (event) => sent(event, "user") }, part.searches[0].box,
        el("p", { class: "quiet small" }, "Type how the id begins, and choose with the arrow keys.")),
      el("form", { class: "panel", onsubmit: (event) => sent(event, "item") }, part.searches[1].box,
        el("p", { class: "quiet small" }, "Type a part of a title or an id, and choose with the arrow keys."))),
    part.modes, part.result);
}

const beginning = () => el("p", { class: "panel quiet" }, "Look up a user to see what they get and why, to try other options, or to compare two ways of making their slate. Look up an item to see what is known of it.");

const visitor = () => sessionStorage.getItem("visitor") ?? "";

export function opened() {
  if (!part.user.value) part.user.value = visitor();
}

function me() {
  part.user.value = visitor();
  show("user", part.user.value);
}

function sent(event, kind) {
  event.preventDefault();
  part.searches.forEach((each) => each.close());
  show(kind, part[kind].value.trim());
}

function choose(name) {
  mode = name;
  show("user", part.user.value.trim());
}

// What few ask for is loaded when it is asked for.
const OF_USER = {
  why: (wanted) => user(wanted, open),
  options: async (wanted) => (await import("./playground.js")).panels(wanted, open),
  compare: async (wanted) => (await import("./compare.js")).panels(wanted, open),
};

const open = (wanted) => show("item", wanted);

export async function show(kind, wanted) {
  if (!wanted) return;
  const own = ++turn;
  part[kind].value = wanted;
  shown = { kind, id: wanted };
  for (const button of part.modes.children) button.setAttribute("aria-pressed", String(kind === "user" && button.dataset.mode === mode));
  part.result.setAttribute("aria-busy", "true");
  if (!part.result.querySelector(".skeleton")) part.result.classList.add("waiting");
  try {
    const panels = await (kind === "user" ? OF_USER[mode](wanted) : item(wanted, open));
    if (own === turn) part.result.replaceChildren(...panels);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (own === turn) part.result.replaceChildren(refused(error));
  } finally {
    if (own === turn) {
      part.result.removeAttribute("aria-busy");
      part.result.classList.remove("waiting");
    }
  }
}

function refused(error) {
  return el("div", { class: "panel" }, el("p", { class: "trouble" }, `${error.message} ${error.next}`.trim()),
    el("div", { class: "row" }, el("button", { type: "button", onclick: () => show(shown.kind, shown.id) }, "Try again")));
}
